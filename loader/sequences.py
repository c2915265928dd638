"""Calls with more than one state a row: a state after each step, or one for each of several packed sequences.

Packed sequences become the rows of batches without padding: one batch for each length or, if there are many lengths,
one batch of pieces for each power of two, with states going from piece to piece. The results are exact for every op
that carries a state, and kernels need no support for it."""

from functools import reduce
from operator import or_

import mlx.core as mx
import numpy as np

from .packed import bounds_of
from .spec import BATCH, INITIAL, STATE, TIME

_MOST_STATES = 8


def every_state(op, inputs, options):
    """All outputs of a call of at most 8 steps, with the states after each step, [B, L, ...], in place of the final
    one.

    It calls the op once a step: outputs, states and gradients equal those of decoding bit by bit.
    """
    op.plan(inputs, options)
    length = _length(op.spec, inputs)
    if length > _MOST_STATES:
        raise ValueError(
            f"[{op.spec.name}] expected at most {_MOST_STATES} steps with return_states=True but got {length}; make "
            "several calls, each from the last state of the one before."
        )
    if length == 0:
        results = zip(op.spec.outputs, op.run(inputs, options))
        return tuple(mx.zeros((len(x), 0, *x.shape[1:])) if a.name == STATE else x for a, x in results)
    steps, made, state = _split(op.spec, inputs, [1] * length), [None] * length, inputs.get(INITIAL)
    for t in reversed(range(length)) if _backward(op.spec, options) else range(length):
        made[t] = op.run(_from(op.spec, steps[t], state), options)
        state = made[t][op.spec.at_state]
    return tuple(
        mx.stack(each, axis=1) if array.name == STATE else mx.concatenate(each, axis=array.axis(TIME))
        for array, each in zip(op.spec.outputs, zip(*made))
    )


def by_sequence(op, inputs, options, cu_seqlens, states):
    """All outputs of a call on sequences packed into a batch of one, with one initial and one final state for each.

    Without `states`, the final states are not needed: then, without initial states, the op runs once, with a reset at
    the start of each sequence.
    """
    spec, backward = op.spec, _backward(op.spec, options)
    packed, start = {name: x for name, x in inputs.items() if name != INITIAL}, inputs.get(INITIAL)
    made, length = op.plan(packed, options), _length(spec, packed)
    bounds = bounds_of(spec.name, cu_seqlens, length)
    batch = next(x.shape[a.axis(BATCH)] for a, x in _timed(spec.inputs, packed))
    if batch != 1:
        raise ValueError(
            f"[{spec.name}] expected a batch of one with cu_seqlens but got {batch}; pack all sequences in it."
        )
    if start is None and not states:
        marks = _marks(bounds, length, backward, packed.get("reset"))
        return op.run(_ordered(spec, packed | {"reset": marks}), options)
    shape = (len(bounds) - 1, *made.outputs[spec.at_state][1:])
    if start is not None and start.shape != shape:
        raise ValueError(
            f"[{spec.name}] expected {INITIAL} to have shape {shape}, a state a sequence, but got {start.shape}."
        )
    fresh = _fresh(op, packed, options, shape)
    start = mx.broadcast_to(fresh, shape) if start is None else start
    results = _run(op, packed, options, mx.concatenate([start, fresh]), _rounds((*bounds, length), backward))
    return tuple(x[:-1] if a.name == STATE else x for a, x in zip(spec.outputs, results))


def _fresh(op, packed, options, shape):
    """The state [1, ...] before any step: the reference's final state of no steps, or zeros."""
    if op.has_reference:
        return op.call_reference(cut(op, packed, 0, 0), options)[op.spec.at_state]
    return mx.zeros((1, *shape[1:]))


def _run(op, packed, options, state, rounds):
    """All outputs of the op on a row, computed by rounds; `state` has one state for each sequence."""
    spec, at_state = op.spec, op.spec.at_state
    if not rounds:
        return [state if a.name == STATE else x for a, x in zip(spec.outputs, op.run(packed, options))]
    order = np.concatenate([np.add.outer(firsts, np.arange(size)).ravel() for size, _, firsts in rounds])
    pieces = _split(spec, _reordered(spec.inputs, packed, order), [size * len(rows) for size, rows, _ in rounds])
    parts = []
    for (size, rows, _), piece in zip(rounds, pieces):
        batch = piece | {a.name: _as_batch(a, x, size) for a, x in _timed(spec.inputs, piece)}
        results = op.run(_from(spec, batch, _rows(state, rows)), options)
        state = _replaced(state, rows, results[at_state])
        parts.append({a.name: _as_row(a, y) for a, y in zip(spec.outputs, results) if a.name != STATE})
    whole = {a.name: mx.concatenate([p[a.name] for p in parts], a.axis(TIME)) for a in spec.outputs if a.name != STATE}
    whole = _reordered(spec.outputs, whole, np.argsort(order))
    return [whole.get(a.name, state) for a in spec.outputs]


def _rounds(bounds, backward):
    """(steps, sequences, first step of each) of the calls, in order, that cover sequences of these bounds."""
    left = np.diff(bounds)
    powers = [1 << k for k in reversed(range(32)) if reduce(or_, left.tolist()) >> k & 1]
    lengths = sorted({n for n in left.tolist() if n}, reverse=True)
    rounds, done = [], np.zeros_like(left)
    for size in lengths if len(lengths) <= len(powers) else powers:
        rows = np.flatnonzero(left - done >= size)
        firsts = bounds[1:] if backward else bounds[:-1]
        firsts = np.array(firsts)[rows] + (-done[rows] - size if backward else done[rows])
        rounds.append((size, rows, firsts))
        done[rows] += size
    return rounds


def _backward(spec, options):
    """Whether time runs from the last step to the first."""
    return any(option.name == "reverse" and value for option, value in zip(spec.options, options))


def _marks(bounds, length, backward, reset):
    """`reset` of a call, also true at the first step of each sequence and after the last sequence."""
    steps = np.arange(length)
    edges = np.array(bounds) - 1 if backward else np.array(bounds)
    marks = mx.array(np.isin(steps, edges))[None]
    return marks if reset is None else marks | reset


def _timed(arrays, named):
    """(array, x) of the inputs that have a time axis."""
    return [(a, named[a.name]) for a in arrays if a.name in named and a.axis(TIME) is not None]


def _length(spec, inputs):
    return next(x.shape[a.axis(TIME)] for a, x in _timed(spec.inputs, inputs))


def _ordered(spec, named):
    """Inputs by name in the manifest's order, as the passes of an op take them."""
    return {a.name: named[a.name] for a in spec.inputs if a.name in named}


def _from(spec, inputs, state):
    """The inputs of a call with this initial state, or with none."""
    rest = {name: x for name, x in inputs.items() if name != INITIAL}
    return _ordered(spec, rest if state is None else rest | {INITIAL: state})


def cut(op, inputs, start, stop):
    """The inputs of the time steps from start to stop."""
    timed = _timed(op.spec.inputs, inputs)
    return inputs | {a.name: mx.split(x, [start, stop], axis=a.axis(TIME))[1] for a, x in timed}


def _split(spec, inputs, sizes):
    """The inputs of consecutive pieces of time."""
    ends = np.cumsum(sizes)[:-1].tolist()
    pieces = {a.name: mx.split(x, ends, axis=a.axis(TIME)) for a, x in _timed(spec.inputs, inputs)}
    return [inputs | {name: each[i] for name, each in pieces.items()} for i in range(len(sizes))]


def _reordered(arrays, named, order):
    """Arrays by name with their steps in another order."""
    if np.array_equal(order, np.arange(len(order))):
        return named
    index = mx.array(order.astype(np.int32))
    return named | {a.name: mx.take(x, index, axis=a.axis(TIME)) for a, x in _timed(arrays, named)}


def _as_batch(array, x, size):
    """A batch of one, whose steps are several pieces of `size` steps, as a batch of these pieces."""
    batch, time = array.axis(BATCH), array.axis(TIME)
    x = mx.squeeze(x, batch)
    time -= batch < time
    return mx.moveaxis(mx.unflatten(x, time, (-1, size)), time, batch)


def _as_row(array, y):
    """The inverse of `_as_batch`."""
    batch, time = array.axis(BATCH), array.axis(TIME)
    time -= batch < time
    return mx.expand_dims(mx.flatten(mx.moveaxis(y, batch, time), time, time + 1), batch)


def _rows(state, rows):
    return state if len(rows) == len(state) else mx.take(state, mx.array(rows.astype(np.int32)), axis=0)


def _replaced(state, rows, new):
    """`state` with the rows of a call's final state in their places."""
    if len(rows) == len(state):
        return new
    order = np.arange(len(state))
    order[rows] = len(state) + np.arange(len(rows))
    return mx.take(mx.concatenate([state, new]), mx.array(order.astype(np.int32)), axis=0)
