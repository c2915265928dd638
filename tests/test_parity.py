"""Every op against its recurrence in float64: outputs, states and every gradient, for each dtype mix,
shape and option, with outputs that hold NaN until a kernel writes them."""

import itertools

import pytest
from oracle import LENGTHS, cases, check, draw, dtype_mixes, needs_kernels, poisoned, rank_sets

import loader
from loader.spec import FLOATS
from loader.testing.inputs import batch


def _cases():
    for name in loader.names():
        op = loader.get(name)
        for dtypes, present, examples in cases(op, op.spec.examples):
            label = "-".join((name, *dtypes.values(), *present))
            few = len(present) == len(op.spec.optional) and set(dtypes.values()) <= {"float32"}
            examples = op.spec.examples if few and len(op.spec.required) <= 2 else examples
            marks = () if few else pytest.mark.full("each mix of dtypes and options is a program of its own")
            yield pytest.param(name, dtypes, present, examples, id=label, marks=marks)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name, dtypes, present, examples", list(_cases()))
def test_parity(name, dtypes, present, examples, length):
    op = poisoned(name)
    for sizes in examples:
        check(op, draw(op, {"B": batch(length, sizes), "L": length, **sizes}, present, dtypes, seed=length))


@pytest.mark.full("small arrays are programs of their own", but=("rglru",))
@pytest.mark.parametrize("i, batch, length", [(0, 1, 1), (0, 1, 4), (-1, 5, 129), (-1, 1, 1025)])
def test_small_and_ragged(op, i, batch, length):
    """Arrays below 8 elements, which kernels see in another address space, and lengths around a tile."""
    sizes = op.spec.examples[i]
    check(poisoned(op.spec.name), draw(op, {"B": batch, "L": length, **sizes}, [a.name for a in op.spec.optional]))


@pytest.mark.full("each rank and dtype is a program of its own")
def test_every_rank(op):
    """Inputs that may have several ranks, in those that `draw` does not choose by itself: all options and none,
    in float32 and one of 16 bits, and lengths that variants tell apart."""
    everything = [array.name for array in op.spec.optional]
    for ranks, (i, dtypes), length in itertools.product(rank_sets(op)[1:], enumerate(dtype_mixes(op)[:2]), (1, 100)):
        sizes, present = op.spec.examples[-1 - i % len(op.spec.examples)], everything if i % 2 == 0 else ()
        inputs = draw(op, {"B": batch(length, sizes), "L": length, **sizes}, present, dtypes, ranks=ranks)
        check(poisoned(op.spec.name), inputs)


# Around the length that a step by step form ends with.
WIDE_LENGTHS = (8, 9)


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
        for ranks, (i, sizes) in itertools.product(rank_sets(op)[1:], enumerate(op.spec.examples[::-1])):
            if wide(sizes):
                label = "-".join((name, *map(str, sizes.values())))
                dtypes = dtype_mixes(op)[i % len(FLOATS)]
                yield pytest.param(name, ranks, sizes, dtypes, everything if i % 2 == 0 else (), id=label)


@pytest.mark.full("each rank and size is a program of its own")
@pytest.mark.parametrize("name, ranks, sizes, dtypes, present", list(_wide_ranks()))
def test_every_rank_of_wide_heads(name, ranks, sizes, dtypes, present):
    for length in (1, 300, *WIDE_LENGTHS):
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
    op, dims = poisoned(name), {"B": batch(length, sizes), "L": length, **sizes}
    check(op, draw(op, dims, present, dtypes, seed=length, ranks=ranks))


# The ops whose chunks keep for one another what the activations' dtype can hold, the ranks of their gates, and an
# example of heads that are near to those of models.
MODELS = [("gla", {}, 2), ("gla", {"g": 1}, 3), ("gated_delta", {}, 1), ("gated_delta", {"g": 1}, 1)]


@needs_kernels
@pytest.mark.full("each size is a program of its own", but=("gla",))
@pytest.mark.parametrize("name, ranks, example", MODELS)
def test_gates_in_float32_beside_bfloat16(name, ranks, example):
    """As models have them: states in float32 are exact to float32's bound."""
    op = poisoned(name)
    halves = [a.name for a in op.spec.inputs if "bfloat16" in a.dtypes and a.name not in ("g", "beta")]
    dtypes = dict.fromkeys(halves, "bfloat16")
    everything = [array.name for array in op.spec.optional]
    for length, present in ((100, everything), (8, ())):
        check(op, draw(op, {"B": 2, "L": length, **op.spec.examples[example]}, present, dtypes, ranks=ranks))
