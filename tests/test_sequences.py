"""States after each step, and packed sequences with a state each, for every op that carries a state."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import assert_close, carrying, cut, draw, error

import loader

each_op = pytest.mark.parametrize("name", carrying())
# More lengths than powers of two in them, with an empty one; and few lengths, each more than once.
MANY, FEW = (5, 1, 0, 7, 3, 2, 6, 4), (6, 35, 6, 35)
light = pytest.mark.full("each op is a program of its own", but=("rglru", "associative_scan"))


def call(op, inputs, **keywords):
    given = {**inputs, **keywords}
    return op(*[given.pop(array.name) for array in op.spec.required], **given)


def inputs_of(op, batch, length, present=(), seed=0):
    return draw(op, {"B": batch, "L": length, **op.spec.examples[-1]}, present, seed=seed)


def floats(op, inputs):
    return [a.name for a in op.spec.inputs if a.name in inputs and a.differentiable]


def gradients(op, inputs, function):
    """Of the sum of squares of what `function` makes of the inputs by name."""
    names = floats(op, inputs)

    def loss(*arrays):
        made = function({**inputs, **dict(zip(names, arrays))})
        return sum((x.astype(mx.float32) ** 2).sum() for x in made)

    found = mx.grad(loss, argnums=list(range(len(names))))(*[inputs[n] for n in names])
    return dict(zip(names, found))


def bounds(lengths):
    return np.cumsum((0, *lengths)).tolist()


def packed(op, length, count, seed=0):
    """Inputs of a row, with a state for each of `count` sequences."""
    inputs = inputs_of(op, 1, length, ("reset",), seed)
    return inputs | {"initial_state": inputs_of(op, count, 1, ("initial_state",), seed)["initial_state"]}


def apart(op, inputs, lengths, **options):
    """The outputs of the sequences, each by a call of its own."""
    parts = []
    for n, (start, stop) in enumerate(zip(bounds(lengths), bounds(lengths)[1:])):
        part = cut(op, inputs, start, stop)
        if "initial_state" in inputs:
            part["initial_state"] = inputs["initial_state"][n : n + 1]
        parts.append(call(op, part, return_state=True, **options))
    *outputs, states = zip(*parts)
    return (*(mx.concatenate(y, axis=1) for y in outputs), mx.concatenate(states))


@light
@each_op
@pytest.mark.parametrize("lengths", [MANY, FEW], ids=["many lengths", "few lengths"])
def test_packed_sequences_are_as_apart(name, lengths):
    op = loader.get(name)
    inputs = packed(op, sum(lengths), len(lengths))
    got = call(op, inputs, cu_seqlens=bounds(lengths), return_state=True)
    for x, y in zip(got, apart(op, inputs, lengths)):
        assert x.dtype == y.dtype
        assert_close(op, x, y, "output")
    found = gradients(op, inputs, lambda i: call(op, i, cu_seqlens=bounds(lengths), return_state=True))
    for key, want in gradients(op, inputs, lambda i: apart(op, i, lengths)).items():
        assert_close(op, found[key], want, f"grad_{key}")


@light
@each_op
def test_packed_without_states(name):
    """No state in: fresh ones; none out: the same outputs, by a reset."""
    op, lengths = loader.get(name), (3, 5, 0, 4)
    inputs = inputs_of(op, 1, sum(lengths) + 2)  # two steps after the last sequence
    y, states = call(op, inputs, cu_seqlens=bounds(lengths), return_state=True)
    want, finals = apart(op, cut(op, inputs, 0, sum(lengths)), lengths)
    assert_close(op, y[:, :-2], want, "y")
    assert mx.array_equal(mx.isinf(states), mx.isinf(finals))
    assert_close(op, mx.where(mx.isinf(states), 0, states), mx.where(mx.isinf(finals), 0, finals), "states")
    assert_close(op, call(op, inputs, cu_seqlens=mx.array(bounds(lengths))), y, "y by reset")


@light
@each_op
def test_states_after_each_step(name):
    op = loader.get(name)
    inputs = inputs_of(op, 2, 5, ("initial_state", "reset"))
    y, states = call(op, inputs, return_states=True)
    assert states.dtype == mx.float32 and states.shape[:2] == (2, 5)

    def prefixes(given):
        pieces = [call(op, cut(op, given, 0, t + 1), return_state=True) for t in range(5)]
        return pieces[-1][0], mx.stack([state for _, state in pieces], axis=1)

    for got, want in zip((y, states), prefixes(inputs)):
        assert_close(op, got, want, "output")
    found = gradients(op, inputs, lambda i: call(op, i, return_states=True))
    for key, want in gradients(op, inputs, prefixes).items():
        assert_close(op, found[key], want, f"grad_{key}")
    none = cut(op, inputs, 0, 0)
    assert call(op, none, return_states=True)[1].shape == (2, 0, *states.shape[2:])


@pytest.mark.parametrize("lengths", [MANY, FEW], ids=["many lengths", "few lengths"])
def test_time_that_runs_backward(lengths):
    op = loader.get("associative_scan")
    inputs = packed(op, sum(lengths), len(lengths))
    got = call(op, inputs, cu_seqlens=bounds(lengths), return_state=True, reverse=True)
    for x, y in zip(got, apart(op, inputs, lengths, reverse=True)):
        assert error(x, y) < 1e-5
    del inputs["initial_state"], inputs["reset"]
    y, _ = apart(op, inputs, lengths, reverse=True)
    assert error(call(op, inputs, cu_seqlens=bounds(lengths), reverse=True), y) < 1e-5
    x = inputs["x"][:, :4]
    _, states = op(x, reverse=True, return_states=True)
    assert error(states[:, 0], op(x, reverse=True, return_state=True)[1]) < 1e-5


@pytest.mark.parametrize("lengths", [range(40), [9] * 30, [], [0, 0], [1]])
def test_as_few_calls_as_lengths_or_powers_of_two(lengths, monkeypatch):
    op, calls = loader.get("rglru"), []
    inputs = packed(op, max(1, sum(lengths)), len(lengths))
    del inputs["reset"]
    run = op.run
    monkeypatch.setattr(op, "run", lambda inputs, options: calls.append(inputs["b"].shape) or run(inputs, options))
    y, states = call(op, inputs, cu_seqlens=bounds(lengths), return_state=True)
    assert len(states) == len(lengths) and len(y[0]) == max(1, sum(lengths))
    steps = [batch * length for batch, length, _ in calls]
    assert sum(steps) == max(1, sum(lengths)) and len(calls) <= 8


A = mx.ones((1, 4, 3))
REFUSED = [
    ({"cu_seqlens": [0, 5]}, ValueError, r"\[rglru\] expected cu_seqlens to rise from 0 to at most 4"),
    ({"cu_seqlens": [0.0, 4.0]}, TypeError, r"\[rglru\] expected cu_seqlens to hold integers"),
    ({"cu_seqlens": [0, 4], "initial_state": mx.zeros((2, 3))}, ValueError, r"shape \(1, 3\), a state a sequence"),
    ({"cu_seqlens": [0, 4], "return_states": True}, ValueError, "expected return_states alone but got cu_seqlens"),
    ({"return_state": True, "return_states": True}, ValueError, "expected return_states alone but got return_state"),
    ({"return_states": 1}, TypeError, "expected return_states to be a bool but got 1"),
]


@pytest.mark.parametrize("keywords, kind, message", REFUSED)
def test_what_is_refused(keywords, kind, message):
    with pytest.raises(kind, match=message):
        loader.get("rglru")(A, A, **keywords)


def test_what_else_is_refused():
    rglru = loader.get("rglru")
    long, two = mx.ones((1, 9, 3)), mx.ones((2, 4, 3))
    with pytest.raises(ValueError, match="expected at most 8 steps with return_states=True but got 9"):
        rglru(long, long, return_states=True)
    with pytest.raises(ValueError, match="expected a batch of one with cu_seqlens but got 2"):
        rglru(two, two, cu_seqlens=[0, 4])
    stateless = loader.get("gated_delta_chunk_state")
    heads, rates = mx.ones((1, 4, 1, 8)), mx.ones((1, 4, 1))
    for keywords in ({"cu_seqlens": [0, 4]}, {"return_states": True}):
        with pytest.raises(TypeError, match="takes neither return_states nor cu_seqlens"):
            stateless(heads, heads, heads, rates, **keywords)
