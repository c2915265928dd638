"""Tiny models of mlx-lm, patched and as they are: logits, loss, gradients, decoding, padded batches."""

import mlx.core as mx
import mlx.nn as nn
import pytest
import tiny_models
from mlx.utils import tree_flatten
from mlx_lm.generate import BatchGenerator
from mlx_lm.models.cache import ArraysCache, make_prompt_cache
from patched_and_not import assert_close, run_both

import loader

each_model = pytest.mark.parametrize("name", tiny_models.CONFIGS)
each_masked = pytest.mark.parametrize("name", tiny_models.MASKED)


def both(function):
    """What a function gives patched, and as mlx-lm is."""
    return run_both(loader.patched_mlx_lm, function)


def loss(model, x):
    return nn.losses.cross_entropy(model(x[:, :-1]), x[:, 1:], reduction="mean")


@each_model
def test_logits_loss_and_gradients(name):
    model, x = tiny_models.build(name), tiny_models.tokens(2, 41)
    model.train()
    value_and_grad = nn.value_and_grad(model, loss)
    got, want = both(lambda: (model(x), *value_and_grad(model, x)))
    assert_close(got[0], want[0], "logits")
    assert_close(got[1], want[1], "loss")
    gradients = tree_flatten(got[2], destination={})
    for path, wanted in tree_flatten(want[2]):
        assert_close(gradients[path], wanted, path)


def decode(model, prompt, count=6):
    """Logits of a prompt in two pieces and of greedy steps after it, and the tokens of the steps."""
    cache = make_prompt_cache(model)
    logits = [model(prompt[:, :19], cache=cache), model(prompt[:, 19:], cache=cache)]
    chosen = []
    for _ in range(count):
        chosen.append(mx.argmax(logits[-1][:, -1:], axis=-1))
        logits.append(model(chosen[-1], cache=cache))
    return mx.concatenate(logits, axis=1), mx.concatenate(chosen, axis=1)


@each_model
def test_prefill_and_cached_decoding(name):
    model, prompt = tiny_models.build(name).eval(), tiny_models.tokens(2, 27)
    got, want = both(lambda: decode(model, prompt))
    assert_close(got[0], want[0])
    assert mx.array_equal(got[1], want[1])


# Qwen3-Next has experts, whose products MLX's CPU makes of float32 only; Qwen3.5 has its recurrent layers.
@pytest.mark.parametrize("name", [name for name in tiny_models.CONFIGS if name != "qwen3_next"])
def test_caches_hold_what_mlx_lm_puts_there(name):
    """In shape and dtype, so that a prompt read with the ops goes on without them, and the other way round."""
    model, prompt = tiny_models.build(name).eval(), tiny_models.tokens(2, 9)
    model.set_dtype(mx.bfloat16)

    def after_prompt():
        cache = make_prompt_cache(model)
        logits = model(prompt, cache=cache)
        kept = [c.cache for c in cache if isinstance(c, ArraysCache)]
        return tree_flatten([logits, kept], destination={})

    got, want = both(after_prompt)
    kinds = [{path: (x.shape, x.dtype) for path, x in each.items()} for each in (got, want)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize("name", ["mamba", "falcon_mamba", "jamba", "recurrent_gemma", "bailing_moe_linear"])
def test_states_and_decays_of_another_dtype(monkeypatch, name, length):
    """A float32 state, of a cache that came from elsewhere, and float32 decays, as Mamba's checkpoints have them.

    Dtypes are of the routes, so the ops need no kernels here.
    """
    monkeypatch.setattr("loader.integrations.recurrences.get", lambda op: loader.get(op).reference)
    monkeypatch.setattr("loader.integrations.recurrences.backend", lambda: "reference")
    model, prompt = tiny_models.build(name).eval(), tiny_models.tokens(2, length)
    model.set_dtype(mx.bfloat16)
    for module in model.modules():
        if "A_log" in module:
            module.A_log = module.A_log.astype(mx.float32)

    def run():
        cache = make_prompt_cache(model)
        recurrent, found = [c for c in cache if isinstance(c, ArraysCache)], []
        for tokens in (prompt, tiny_models.tokens(2, 3)):
            logits = model(tokens, cache=cache)
            found += [(logits.shape, logits.dtype), *((x.shape, x.dtype) for c in recurrent for x in c.cache)]
            for c in recurrent:
                c[len(c.cache) - 1] = c[len(c.cache) - 1].astype(mx.float32)
        return found

    with loader.patched_mlx_lm():
        got = run()
    assert got == run()


@each_masked
def test_left_padding(name):
    """Padded rows see what they see alone, in the prompt and in decoding after it."""
    model, padding, length = tiny_models.build(name).eval(), [0, 5, 11], 17
    prompt = tiny_models.tokens(3, length)

    def run():
        cache = tiny_models.left_padded_cache(model, padding)
        return [model(prompt, cache=cache), *(model(prompt[:, i : i + 1], cache=cache) for i in range(3))]

    got, want = both(run)
    alone = [model(mx.concatenate([row[None, pad:], row[None, :3]], axis=1)) for row, pad in zip(prompt, padding)]
    for row, pad in enumerate(padding):
        ours, theirs = (mx.concatenate(each, axis=1)[row, pad:] for each in (got, want))
        assert_close(ours, theirs, f"row {row}")
        assert_close(ours, alone[row][0], f"row {row} alone")


def generate(model, prompts, **options):
    """Greedy tokens of mlx-lm's batches, which pad prompts on the right, and the log of their probabilities."""
    generator = BatchGenerator(model, stream=mx.default_stream(mx.default_device()), **options)
    order = generator.insert(prompts, [6] * len(prompts))
    found = {uid: [] for uid in order}
    while responses := generator.next_generated():
        for response in responses:
            found[response.uid].append((response.token, response.logprobs))
    generator.close()
    return [([token for token, _ in found[uid]], mx.stack([p for _, p in found[uid]])) for uid in order]


# mlx-lm's Nemotron-H leaves `lengths` out, and so forgets what a row held that is padded on the right; the ops do not.
@each_masked
@pytest.mark.parametrize("step", [2048, 8], ids=["one piece", "pieces"])
def test_batches_padded_on_the_right_are_what_each_row_is_alone(name, step):
    model = tiny_models.build(name).eval()
    prompts = [tiny_models.tokens(1, length)[0].tolist() for length in (23, 9, 2)]
    with loader.patched_mlx_lm():
        got = generate(model, prompts, prefill_step_size=step)
    for prompt, (tokens, probabilities) in zip(prompts, got):
        ((wanted, wanted_probabilities),) = generate(model, [prompt])
        assert tokens == wanted
        assert_close(probabilities, wanted_probabilities)


CONVOLUTIONS = {
    "depthwise": (dict(kernel_size=4, groups=12), True),
    "with a bias of another dtype": (dict(kernel_size=4, groups=12), False),
    "with one number as bias": (dict(kernel_size=4, groups=12), False),
    "of two taps, without bias": (dict(kernel_size=2, groups=12, bias=False), True),
    "of nine taps": (dict(kernel_size=9, groups=12), False),
    "of groups": (dict(kernel_size=4, groups=6), False),
    "padded": (dict(kernel_size=4, groups=12, padding=3), False),
    "dilated": (dict(kernel_size=3, groups=12, dilation=2), False),
}


@pytest.mark.parametrize("what", CONVOLUTIONS)
def test_convolutions(monkeypatch, what):
    """Long ones as models have in front of a recurrence are `short_conv`; all give what nn.Conv1d does."""
    settings, expected = CONVOLUTIONS[what]
    called = []

    def get(name):
        called.append(name)
        return loader.get(name)

    monkeypatch.setattr("loader.integrations.recurrences.get", get)
    monkeypatch.setattr("loader.integrations.recurrences._FEWEST_STEPS", 64)
    conv, x = nn.Conv1d(12, 12, **settings), mx.random.normal((2, 70, 12))
    if "bias" in conv:
        conv.bias = mx.random.normal((1,) if "one number" in what else (12,))
        conv.bias = conv.bias.astype(mx.float16 if "dtype" in what else mx.float32)
    by_all = nn.value_and_grad(conv, lambda conv, x: (conv(x) ** 2).sum())
    got, want = both(lambda: (conv(x), *by_all(conv, x), mx.grad(lambda x: (conv(x) ** 2).sum())(x)))
    assert bool(called) == (expected and loader.backend() in ("cuda", "opencl"))
    called.clear()
    assert_close(*both(lambda: conv(x[:, :60])))
    assert not called
    for (path, y), (_, wanted) in zip(tree_flatten(got), tree_flatten(want), strict=True):
        assert_close(y, wanted, path)
