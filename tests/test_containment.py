"""`reset` separates sequences: a NaN or an infinity changes no result of another packed sequence, another row of the
batch or another head, in either pass."""

import itertools
from fractions import Fraction

import mlx.core as mx
import numpy as np
import pytest
from oracle import call, draw, rank_sets

import loader

# Where sequences start in the rows to test, by length: at a step, a tile, a chunk of 32, next to these, and twice in a
# row. The longest has what the others have no room for.
STARTS = {7: [(3,)], 40: [(3,), (8, 31), (20, 21), (32,)], 300: [(128, 250)]}
# A reference loops over time, so it is tested at the short lengths.
LENGTHS, SHORT = tuple(STARTS), (7, 40)
SPOILS = (np.nan, np.inf, -np.inf)
# Axes of independent heads or channels.
LANES = ("D", "D // 2", "H", "Hk", "G")


def moments(chosen, length):
    """Steps to spoil in an array: around each start and at both ends."""
    near = [start + offset for start in chosen for offset in (-1, 0, 1, 9)]
    return sorted({0, length - 1, *(t for t in near if t < length)})


class Row:
    """One row of the batch: the sequences it packs and the one element that is spoilt in it."""

    def __init__(self, chosen, array, moment, value):
        self.chosen, self.array, self.moment, self.value = chosen, array, moment, value

    def sequence(self, t):
        return sum(start <= t for start in self.chosen)

    @property
    def spoilt(self):
        """The sequence that holds the spoilt element; without time it is the first or, of a cotangent, the last."""
        if self.moment is not None:
            return self.sequence(self.moment)
        return len(self.chosen) if self.array.startswith("grad_") else 0


def rows(declared, length):
    """A row for each start, array and moment, with a NaN or an infinity in turn."""
    made, values = [], itertools.cycle(SPOILS)
    for chosen in STARTS[length] if "reset" in declared else [()]:
        for name, array in declared.items():
            if array.axis("B") == 0 and (array.differentiable or name.startswith("grad_")):
                timed = array.axis("L") is not None
                made += [Row(chosen, name, t, next(values)) for t in (moments(chosen, length) if timed else [None])]
    return made


def lane_axis(array, shape):
    """(axis, size) of the heads or channels of an array, or None."""
    axes = next(axes for axes in array.shapes if len(axes) == len(shape))
    return next(((i, n) for i, (axis, n) in enumerate(zip(axes, shape)) if axis.text in LANES), None)


def lanes(op, array, shape):
    """For each index along the axis of heads or channels the part of all of them, a range in [0, 1), that it is of."""
    found = lane_axis(array, shape)
    if found is None:
        return [(0, 1)]
    size = found[1]
    # Channels that rotate in pairs are one lane.
    paired = any(e.text == "D // 2" for a in op.spec.inputs for e in a.shapes[0]) and size > 1
    n = size // 2 if paired and array.shapes[0][found[0]].text == "D" else size
    at = [i * n // size for i in range(size)]
    return [(Fraction(i, n), Fraction(i + 1, n)) for i in at]


def independent(op, array, shape, batch, spoilt):
    """Of each element of an array whether no spoilt one may change it; `spoilt` holds the part of the lanes a row."""
    axes = [axis.text for axis in next(axes for axes in array.shapes if len(axes) == len(shape))]
    found = lane_axis(array, shape)
    beside = np.array([[high <= a or low >= b for low, high in lanes(op, array, shape)] for a, b in spoilt])
    if "B" not in axes:
        return _along(beside.all(axis=0), found[0], len(shape)) if found else False
    if "L" in axes:
        elsewhere = [[row.sequence(t) != row.spoilt for t in range(shape[axes.index("L")])] for row in batch]
    elif array.name in ("initial_state", "final_state"):
        elsewhere = [[row.spoilt != (0 if array.name == "initial_state" else len(row.chosen))] for row in batch]
    else:
        elsewhere = [[False] for _ in batch]
    kept = _along(np.array(elsewhere), 1, len(shape))
    return kept | _along(beside, found[0], len(shape)) if found else kept


def _along(mask, axis, ndim):
    """A mask [B, n] or [n] of an axis, to broadcast over an array."""
    shape = [1] * ndim
    shape[axis] = mask.shape[-1]
    if mask.ndim == 2:
        shape[0] = mask.shape[0]
    return mask.reshape(shape)


def both_passes(function, op, inputs, cotangents):
    """Outputs and gradients by name, as NumPy arrays."""
    names = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]
    outputs, gradients = mx.vjp(
        lambda *arrays: call(function, op, {**inputs, **dict(zip(names, arrays))}),
        [inputs[name] for name in names],
        cotangents,
    )
    found = {array.name: np.array(x) for array, x in zip(op.spec.outputs, outputs)}
    return found | {f"grad_{name}": np.array(x) for name, x in zip(names, gradients)}


def spoil(arrays, declared, batch, lane):
    """Copies of arrays by name with the element of each row spoilt."""
    copies = {name: np.array(x) for name, x in arrays.items()}
    for i, row in enumerate(batch):
        x, array = copies[row.array], declared[row.array]
        at = [slice(None)] * x.ndim
        at[0] = i
        if row.moment is not None:
            at[array.axis("L")] = row.moment
        found = lane_axis(array, x.shape)
        if found:
            at[found[0]] = lane
        x[tuple(at)] = row.value
    return {name: mx.array(x) for name, x in copies.items()}


def check(function, op, length, ranks, lane):
    """Compare the results before and after one element of each row is spoilt, in its head or channel `lane`."""
    spec = op.spec
    declared = {array.name: array for array in spec.inputs}
    declared |= {f"grad_{array.name}": array for array in spec.outputs}
    batch = rows(declared, length)
    present = [array.name for array in spec.optional]
    inputs = draw(op, {"B": len(batch), "L": length, **spec.examples[-1]}, present, seed=length, ranks=ranks)
    if "reset" in inputs:
        inputs["reset"] = mx.array([[t in row.chosen for t in range(length)] for row in batch])
    rng = np.random.default_rng(length)
    outputs = zip(spec.outputs, call(function, op, inputs))
    cotangents = {f"grad_{array.name}": mx.array(rng.normal(size=y.shape).astype(np.float32)) for array, y in outputs}
    clean = both_passes(function, op, inputs, list(cotangents.values()))
    changed = spoil(inputs | cotangents, declared, batch, lane)
    got = both_passes(function, op, {n: changed[n] for n in inputs}, [changed[n] for n in cotangents])
    parts = [lanes(op, declared[row.array], changed[row.array].shape)[lane] for row in batch]
    named = {array.name: array for array in spec.outputs} | {f"grad_{array.name}": array for array in spec.inputs}
    for name, want in clean.items():
        keeps = np.broadcast_to(independent(op, named[name], want.shape, batch, parts), want.shape)
        leaks = np.argwhere(keeps & (got[name] != want))
        if len(leaks):
            row = batch[leaks[0][0]]
            raise AssertionError(
                f"{name}{leaks[0].tolist()}, of {len(leaks)}, changed where {row.array} of step {row.moment} was "
                f"{row.value}, with sequences from {row.chosen} on"
            )


def _cases():
    for name in loader.names():
        for ranks in rank_sets(loader.get(name)):
            label = "-".join([name, *(str(choice) for pair in ranks.items() for choice in pair)])
            marks = pytest.mark.full("each rank has programs of its own") if ranks else ()
            yield pytest.param(name, ranks, id=label, marks=marks)


def _lengths(lengths):
    """The first as it is, the others in full runs."""
    why = pytest.mark.full("long sequences take long, and find what short ones do but at tile borders")
    return [lengths[0], *(pytest.param(length, marks=why) for length in lengths[1:])]


@pytest.mark.parametrize("length", _lengths(SHORT if loader.backend() == "reference" else LENGTHS))
@pytest.mark.parametrize("name, ranks", list(_cases()))
def test_nothing_crosses_a_reset(name, ranks, length):
    op = loader.get(name)
    for lane in (0, -1):
        check(op, op, length, ranks, lane)


@pytest.mark.parametrize("length", _lengths(SHORT))
@pytest.mark.parametrize("name, ranks", list(_cases()))
def test_nothing_crosses_a_reset_in_the_reference(name, ranks, length):
    op = loader.get(name)
    check(op.reference, op, length, ranks, 0)
