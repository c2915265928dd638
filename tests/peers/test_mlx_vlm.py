"""loader.patch_mlx_vlm: tiny models of mlx-vlm, patched and as they are; the states that speculative decoding keeps."""

import importlib
import sys

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import tiny_models
import tiny_vlm_models
from mlx.utils import tree_flatten
from mlx_vlm.models import gated_delta, ssm
from mlx_vlm.models.cache import ArraysCache
from mlx_vlm.models.qwen3_5 import gated_delta as qwen3_5
from mlx_vlm.speculative.common import verify_forward
from patched_and_not import assert_close, run_both

import loader

each_model = pytest.mark.parametrize("name", tiny_vlm_models.CONFIGS)
each_rule = pytest.mark.parametrize("module", [gated_delta, qwen3_5], ids=["gated_delta", "qwen3_5"])


@pytest.fixture(autouse=True)
def unpatched():
    yield
    loader.unpatch_mlx_vlm()


def both(function):
    """What a function gives patched, and as mlx-vlm is."""
    return run_both(loader.patched_mlx_vlm, function)


def loss(model, x):
    return nn.losses.cross_entropy(model(x[:, :-1]).logits, x[:, 1:], reduction="mean")


@each_model
def test_logits_loss_and_gradients(name, monkeypatch):
    # mlx-vlm's chunks are off by up to 1e-3, as it says; its loop is not.
    monkeypatch.setattr(qwen3_5, "gated_delta_chunked", qwen3_5.gated_delta_ops)
    model, x = tiny_vlm_models.build(name), tiny_models.tokens(2, 41)
    model.train()
    value_and_grad = nn.value_and_grad(model, loss)
    got, want = both(lambda: (model(x).logits, *value_and_grad(model, x)))
    assert_close(got[0], want[0], "logits")
    assert_close(got[1], want[1], "loss")
    gradients = tree_flatten(got[2], destination={})
    for path, wanted in tree_flatten(want[2]):
        assert_close(gradients[path], wanted, path)


@each_model
def test_prefill_and_cached_decoding(name):
    model, prompt = tiny_vlm_models.build(name).eval(), tiny_models.tokens(2, 27)

    def decode():
        cache = model.make_cache()
        pieces = [prompt[:, :19], prompt[:, 19:], prompt[:, :1], prompt[:, 1:2]]
        return mx.concatenate([model(piece, cache=cache).logits for piece in pieces], axis=1)

    assert_close(*both(decode))


def arguments(batch=2, length=11, seed=0):
    """q, k, v, a, b, A_log and dt_bias of a gated delta rule."""
    mx.random.seed(seed)
    q, k, v = (mx.random.normal((batch, length, heads, size)) for heads, size in ((2, 10), (2, 10), (4, 6)))
    a, b = (mx.random.normal((batch, length, 4)) for _ in "ab")
    return q * 0.3, k * 0.3, v, a, b, mx.random.normal((4,)), mx.random.normal((4,))


@each_rule
@pytest.mark.parametrize("steps", [1, 5, 10, 11])
@pytest.mark.parametrize("masked", [False, True])
def test_states_after_the_first_steps(module, steps, masked):
    given, state = arguments(), mx.random.normal((2, 4, 6, 10))
    mask = mx.arange(11) >= mx.array([[0], [3]]) if masked else None
    got, want = both(lambda: module.gated_delta_update(*given, state=state, mask=mask, state_steps=steps))
    assert [x.dtype for x in got] == [x.dtype for x in want] and got[2].shape[1] == steps
    for x, y in zip(got[1:], want[1:]):
        assert_close(x, y, "states")
    valid = mx.ones((2, 11, 1, 1)) if mask is None else mask[..., None, None]
    assert_close(got[0] * valid, want[0] * valid, "y")


def test_all_states_and_none():
    given = arguments()
    for steps in (None, 0):
        got, want = both(lambda steps=steps: qwen3_5.gated_delta_update_with_states(*given, state_steps=steps))
        assert [x.shape for x in got] == [x.shape for x in want]
        assert_close(got[0], want[0], "y")
        assert steps == 0 or np.allclose(got[2], want[2], atol=1e-4)
    with loader.patched_mlx_vlm(), pytest.raises(ValueError, match="state_steps must be between"):
        gated_delta.gated_delta_update(*given, state_steps=12)


@each_rule
@pytest.mark.parametrize("kept", [0, 1, 4, 6])
def test_a_rollback_is_decoding_so_many_tokens(module, kept):
    """A speculative block of 6 tokens whose first ones are accepted."""
    given, state = arguments(1, 6), mx.random.normal((1, 4, 6, 10))
    timed, fixed = given[:5], given[5:]
    cache = ArraysCache(size=2)
    cache[0], cache[1] = mx.zeros((1, 1)), state
    with loader.patched_mlx_vlm():
        cache.start_speculation(6)
        cache.record_speculative_window(0, mx.zeros((1, 7)), 1)
        module.gated_delta_update(*given, cache=cache, cache_index=1)
        cache.commit_speculation([kept])
    for t in range(kept):
        _, state = module.gated_delta_update(*(x[:, t : t + 1] for x in timed), *fixed, state=state)
    assert_close(cache[1], state)


@pytest.mark.parametrize("kept", [1, 4])
def test_a_model_rolls_back(kept):
    """Qwen3.5 reads a block of 6 drafted tokens, of which some are accepted, and goes on as if it had read those."""
    model, tokens = tiny_vlm_models.build("qwen3_5").eval(), tiny_models.tokens(1, 20)
    with loader.patched_mlx_vlm():
        cache = model.make_cache()
        model(tokens[:, :9], cache=cache)
        _, transaction = verify_forward(model, tokens[:, 9:15], cache)
        transaction.commit([kept])
        got = model(tokens[:, 15:], cache=cache).logits
    cache = model.make_cache()
    for piece in (tokens[:, :9], *mx.split(tokens[:, 9 : 9 + kept], kept, axis=1)):
        model(piece, cache=cache)
    assert_close(got, model(tokens[:, 15:], cache=cache).logits)


def snapshot():
    """Every object that a name of mlx-vlm's modules and MLX's convolutions, or of the classes in them, leads to."""
    found = {}
    for name, module in list(sys.modules.items()):
        if module and (name.partition(".")[0] == "mlx_vlm" or name == nn.Conv1d.__module__):
            for attribute, value in vars(module).items():
                found[f"{name}.{attribute}"] = value
                if isinstance(value, type):
                    found |= {f"{name}.{attribute}.{key}": each for key, each in vars(value).items()}
    return found


def test_what_is_patched_comes_back():
    for name in (
        "mamba",
        "jamba",
        "recurrent_gemma",
        "bailing_moe_linear",
        "qwen3_5",
        "kimi_linear",
        "falcon_h1",
        "rwkv7",
    ):
        importlib.import_module(f"mlx_vlm.models.{name}.language")
    before = snapshot()
    with loader.patched_mlx_vlm() as names:
        after = snapshot()
        assert set(names) == {name for name in before if before[name] is not after[name]}
        assert {"mlx_vlm.models.kimi_linear.language.gated_delta_update", "mlx_vlm.models.ssm.ssm_update"} <= set(names)
        assert "mlx_vlm.models.qwen3_5.language.gated_delta_update" in names
        assert loader.patch_mlx_vlm() == names
    after = snapshot()
    assert not {name for name in before if before[name] is not after[name]}
    loader.patch_mlx_vlm().unpatch()
    assert ssm.ssm_update is before["mlx_vlm.models.ssm.ssm_update"]


def test_mlx_lm_stays_as_it_is():
    from mlx_lm.models import ssm as of_mlx_lm

    own = of_mlx_lm.ssm_update
    with loader.patched_mlx_vlm():
        assert of_mlx_lm.ssm_update is own
        with loader.patched_mlx_lm():
            assert of_mlx_lm.ssm_update is not own
        assert ssm.ssm_update.__module__.startswith("loader.")
    assert of_mlx_lm.ssm_update is own


@pytest.mark.parametrize("first, second", [("lm", "vlm"), ("vlm", "lm")])
def test_a_route_of_both_packages_stays_until_both_are_unpatched(first, second):
    patches = {"lm": loader.patched_mlx_lm, "vlm": loader.patched_mlx_vlm}
    own = nn.Conv1d.__call__
    with patches[second]():
        with patches[first]():
            ours = nn.Conv1d.__call__
        assert nn.Conv1d.__call__ is ours is not own
    assert nn.Conv1d.__call__ is own


def test_a_version_with_other_parameters(monkeypatch):
    monkeypatch.setattr(ssm, "ssm_update", lambda x: x)
    message = r"\[patch_mlx_vlm\] expected mlx-vlm [\d.]+ to have mlx_vlm.models.ssm.ssm_update\(.*takes \(x\); nothing"
    with pytest.raises(loader.LoaderError, match=message):
        loader.patch_mlx_vlm()
