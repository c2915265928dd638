"""The demo at small sizes: its two paths agree, it learns, and its command line works."""

import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

import loader
from tools.demo import ratio, sample, text
from tools.demo.model import Model
from tools.demo.train import evaluate, schedule, train

ROOT = Path(__file__).parents[1]


@pytest.fixture
def model():
    mx.random.seed(0)
    return Model(width=16, hidden=24, depth=2)


def test_byte_by_byte_equals_the_full_pass(model):
    tokens = mx.random.randint(0, 256, (3, 21))
    cache = model.make_cache()
    stepped = [model(tokens[:, t : t + 1], cache) for t in range(tokens.shape[1])]
    np.testing.assert_allclose(mx.concatenate(stepped, axis=1), model(tokens), rtol=1e-4, atol=1e-4)


def test_later_bytes_do_not_reach_earlier_logits(model):
    tokens = mx.random.randint(0, 256, (1, 12))
    changed = mx.concatenate([tokens[:, :8], 255 - tokens[:, 8:]], axis=1)
    np.testing.assert_allclose(model(tokens)[:, :8], model(changed)[:, :8], rtol=1e-5, atol=1e-5)


def test_decay_starts_between_0_9_and_0_999(model):
    for block in model.blocks:
        a = mx.exp(-8 * mx.logaddexp(block.recurrent.decay, 0))
        assert 0.9 <= a.min().item() and a.max().item() <= 0.999


def test_training_lowers_both_losses(model, capsys):
    tokens = np.frombuffer(b"the quick brown fox jumps over the lazy dog. " * 40, dtype=np.uint8)
    before = evaluate(model, tokens)
    curve = train(model, tokens, tokens, steps=12, batch=2, length=32)
    assert [seen for seen, _ in curve.train] == [64 * step for step in range(1, 13)]
    assert curve.train[-1][1] < curve.train[0][1] - 1
    assert curve.held_out[-1][0] == curve.train[-1][0]
    assert curve.held_out[-1][1] < before - 1
    assert "train" not in capsys.readouterr().err, "a progress bar is for terminals"


def test_every_parameter_moves(model):
    before = dict(tree_flatten(model.parameters()))
    tokens = np.arange(600).astype(np.uint8)
    train(model, tokens, tokens, steps=1, batch=2, length=32)
    after = dict(tree_flatten(model.parameters()))
    assert [name for name in before if mx.array_equal(before[name], after[name])] == []


@pytest.mark.parametrize("steps", [1, 2, 19, 20, 600])
def test_schedule_warms_up_and_decays(steps):
    rate = schedule(1.0, steps)
    rates = [float(rate(mx.array(step))) for step in range(steps)]
    assert 0 < min(rates) and max(rates) <= 1.0 + 1e-6


def test_held_out_text_too_short_says_so(model):
    with pytest.raises(ValueError, match="more than 256 held-out bytes but got 3"):
        evaluate(model, np.zeros(3, dtype=np.uint8))


def test_entropies_of_known_texts():
    assert text.entropies(b"ab" * 500) == pytest.approx((1.0, 0.0))
    noise = np.random.default_rng(0).integers(0, 4, 200_000, dtype=np.uint8).tobytes()
    assert text.entropies(noise) == pytest.approx((2.0, 2.0), abs=1e-3)


def test_split_keeps_every_byte_once():
    corpus = text.load()
    training, held_out = text.split(corpus)
    assert len(training) + len(held_out) == len(corpus)
    assert 0.05 < len(held_out) / len(corpus) < 0.08
    paragraphs = corpus.split(b"\n\n")
    assert len(paragraphs) == len(set(paragraphs))


def test_sample_continues_its_prompt(model):
    drawn = sample.generate(model, b"The ", 8)
    assert drawn.startswith(b"The ") and len(drawn) == 12
    with pytest.raises(ValueError, match="at least 1 byte"):
        sample.generate(model, b"", 8)


def test_ratio_times_both_paths():
    assert all(seconds > 0 for seconds in ratio.measure(loader.get("rglru"), 1, 4, 8, rounds=2))


def demo(*arguments):
    command = [sys.executable, "-m", "tools.demo", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_help_names_every_flag():
    done = demo("--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in ("--steps", "--backend", "--seed", "--out"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--steps", "0"), "expected at least 1 but got 0"),
        (("--out", "no/such/folder.png"), "expected a folder that exists"),
    ],
)
def test_bad_arguments_are_refused_before_training(arguments, message):
    done = demo(*arguments)
    assert done.returncode == 2 and message in done.stderr
