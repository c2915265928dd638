"""Every op against its recurrence in float64: outputs, states and every gradient, for each dtype mix,
shape and option, with outputs that hold NaN until a kernel writes them."""

import functools
import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
from oracle import LENGTHS, assert_close, carrying, cases, draw, dtype_mixes, rank_sets, truth, truth_in_pieces

import loader
from loader import Op
from loader.spec import FLOATS


def _cases():
    for name in loader.names():
        op = loader.get(name)
        for dtypes, present, examples in cases(op):
            label = "-".join((name, *dtypes.values(), *present))
            few = len(present) in (0, len(op.spec.optional)) and set(dtypes.values()) <= {"float32"}
            marks = () if few else pytest.mark.full("each mix of dtypes and options is a program of its own")
            yield pytest.param(name, dtypes, present, examples, id=label, marks=marks)


@functools.cache
def poisoned(name):
    """The op with outputs that start as NaN, so that an element no thread writes shows."""
    op = loader.get(name)
    engine = SimpleNamespace(**{key: getattr(op.engine, key) for key in ("NAME", "LAZY", "missing", "ready")})
    engine.build = lambda *arguments: functools.partial(op.engine.build(*arguments), init_value=math.nan)
    engine.prepare = lambda launches: op.engine.prepare([replace(each, kernel=each.kernel.func) for each in launches])
    return Op(op.spec, op.engine if op.engine.NAME == "reference" else engine, op._reference)


def call(function, op, inputs):
    """`function`, the op or one of its methods, on inputs by name."""
    given = dict(inputs)
    positional = [given.pop(array.name) for array in op.spec.required]
    return function(*positional, return_state=True, **given)


def run(op, inputs, cotangents):
    """(outputs, gradients by name) of the op, all outputs and both passes."""
    names = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]

    def function(*arrays):
        return call(op, op, {**inputs, **dict(zip(names, arrays))})

    outputs, gradients = mx.vjp(function, [inputs[name] for name in names], cotangents)
    return outputs, dict(zip(names, gradients))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name, dtypes, present, examples", list(_cases()))
def test_parity(name, dtypes, present, examples, length):
    op = poisoned(name)
    for sizes in examples:
        check(op, draw(op, {"B": _batch(length, sizes), "L": length, **sizes}, present, dtypes, seed=length))


@pytest.mark.full("small arrays are programs of their own", but=("rglru", "rotlru", "selective_scan"))
@pytest.mark.parametrize("i, batch, length", [(0, 1, 1), (0, 1, 4), (1, 5, 129), (2, 1, 1025)])
def test_small_and_ragged(op, i, batch, length):
    """Arrays below 8 elements, which kernels see in another address space, and lengths around a tile."""
    sizes = op.spec.examples[i % len(op.spec.examples)]
    check(poisoned(op.spec.name), draw(op, {"B": batch, "L": length, **sizes}, [a.name for a in op.spec.optional]))


@pytest.mark.full("each rank and dtype is a program of its own", but=("rglru_gated",))
def test_every_rank(op):
    """Inputs that may have several ranks, in those that `draw` does not choose by itself: all options and none,
    in each dtype, and lengths that variants tell apart."""
    everything = [array.name for array in op.spec.optional]
    for ranks, (i, dtypes), length in itertools.product(
        rank_sets(op)[1:], enumerate(dtype_mixes(op)[: len(FLOATS)]), (1, 100)
    ):
        sizes, present = op.spec.examples[i % len(op.spec.examples)], everything if i % 2 == 0 else ()
        inputs = draw(op, {"B": _batch(length, sizes), "L": length, **sizes}, present, dtypes, ranks=ranks)
        check(poisoned(op.spec.name), inputs)


# Around the length that a step by step form ends with, and a long one.
WIDE_LENGTHS = (8, 9, 1000)


def wide(sizes):
    """Whether heads are as large as those of models."""
    return max(sizes.values()) >= 128


@pytest.mark.parametrize("length", WIDE_LENGTHS)
@pytest.mark.parametrize("name, dtypes, present, examples", [case for case in _cases() if wide(case.values[3][0])])
def test_wide_heads(name, dtypes, present, examples, length):
    """Those that test_parity has, on the same programs."""
    for sizes in examples:
        check_wide(name, sizes, length, present, dtypes)


def _wide_ranks():
    """(op, ranks, sizes, dtypes, options), the latter two as test_every_rank has them, for the same programs."""
    for name in loader.names():
        op = loader.get(name)
        everything = [array.name for array in op.spec.optional]
        for ranks, (i, sizes) in itertools.product(rank_sets(op)[1:], enumerate(op.spec.examples)):
            if wide(sizes):
                label = "-".join((name, *map(str, sizes.values())))
                dtypes = dtype_mixes(op)[i % len(FLOATS)]
                yield pytest.param(name, ranks, sizes, dtypes, everything if i % 2 == 0 else (), id=label)


@pytest.mark.full("each rank and size is a program of its own")
@pytest.mark.parametrize("name, ranks, sizes, dtypes, present", list(_wide_ranks()))
def test_every_rank_of_wide_heads(name, ranks, sizes, dtypes, present):
    for length in (1, 100, *WIDE_LENGTHS):
        check_wide(name, sizes, length, present, dtypes, ranks)


WIDEST = [
    ("gla", {"H": 1, "Hk": 1, "Dk": 256, "Dv": 512}, 33),
    ("gla", {"H": 1, "Hk": 1, "Dk": 600, "Dv": 33}, 1),
    ("gated_delta_chunk_state", {"H": 1, "Hk": 1, "Dk": 40, "Dv": 320}, 70),
]


@pytest.mark.full("each size makes programs of its own")
@pytest.mark.parametrize("name, sizes, length", WIDEST)
def test_the_widest_heads(name, sizes, length):
    for ranks in rank_sets(loader.get(name)):
        check_wide(name, sizes, length, (), None, ranks)


def check_wide(name, sizes, length, present, dtypes, ranks=None):
    op, batch = poisoned(name), 1 if length > 100 else _batch(length, sizes)
    check(op, draw(op, {"B": batch, "L": length, **sizes}, present, dtypes, seed=length, ranks=ranks))


def _batch(length, sizes):
    """Such that arrays have 8 elements or more: smaller ones take other programs, tests of their own compile these."""
    return max(2, 8 // min(length, math.prod(sizes.values())))


def check(op, inputs):
    rng = np.random.default_rng(1)
    outputs = call(op.reference, op, inputs)
    cotangents = [mx.array(rng.normal(size=y.shape).astype(np.float32)).astype(y.dtype) for y in outputs]
    outputs, gradients = run(op, inputs, cotangents)
    long = op.spec.name in carrying() and cotangents[0].shape[1] > 256
    want_outputs, want_gradients = (truth_in_pieces if long else truth)(op, inputs, cotangents)
    for array, got, want in zip(op.spec.outputs, outputs, want_outputs):
        assert_close(op, got, want, array.name)
    for name, want in want_gradients.items():
        assert gradients[name].dtype == inputs[name].dtype
        assert_close(op, gradients[name], want, f"grad_{name}")
