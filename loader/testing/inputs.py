"""Random inputs of an op, drawn as its manifest says, and the dtypes, options, ranks and sizes to test."""

import itertools
import math
from collections.abc import Mapping, Sequence

import mlx.core as mx
import numpy as np

from ..expression import DTYPES, Scope
from ..op import Op


def draw(
    op: Op,
    dims: Mapping[str, int],
    present: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
    seed: int = 0,
    ranks: Mapping[str, int] | None = None,
) -> dict[str, mx.array]:
    """Random inputs by name, in the manifest's order: all required ones, and the optional ones in `present`.

    `dims` has the size of every dim, as {"B": 2, "L": 7, "D": 33}. `dtypes` maps names of inputs to dtypes, and `ranks`
    to the index of the shape to use, by default 0.
    """
    rng = np.random.default_rng(seed)
    scope = Scope(dims, {}, {})
    wanted = [array for array in op.spec.inputs if not array.optional or array.name in present]

    def shape(array):
        return array.shapes[(ranks or {}).get(array.name, 0)]

    return {
        array.name: _random(rng, array, [axis(scope) for axis in shape(array)], (dtypes or {}).get(array.name))
        for array in wanted
    }


def _random(rng, array, shape, dtype):
    if array.dtypes == ("bool",):
        return mx.array(rng.random(shape) < 0.1)
    kind, *limits = array.sample
    values = rng.uniform(*limits, shape) if kind == "uniform" else rng.normal(size=shape)
    return mx.array(values.astype(np.float32)).astype(DTYPES[dtype or array.dtypes[0]])


def dtype_mixes(op):
    """Mixes of dtypes to test: all, for up to two float inputs; for more, equal dtypes, and mixes of float32 with a
    type of 16 bits such that each input is float32 in one and any two inputs differ in one."""
    floats = [array for array in op.spec.required if array.differentiable and len(array.dtypes) > 1]
    if len(floats) <= 2:
        mixes = itertools.product(floats[0].dtypes if floats else (), repeat=len(floats))
    else:
        mixes = [(d,) * len(floats) for d in floats[0].dtypes]
        for bit, half in zip(range(len(floats).bit_length()), itertools.cycle(("float16", "bfloat16"))):
            mixes.append(tuple("float32" if i >> bit & 1 else half for i in range(1, len(floats) + 1)))
    return [dict(zip((array.name for array in floats), mix)) for mix in mixes]


def option_sets(op):
    """Sets of optional inputs to test: all, for up to two; for more, none, each alone, and all."""
    names = [array.name for array in op.spec.optional]
    sizes = range(len(names) + 1) if len(names) <= 2 else (0, 1, len(names))
    return [c for n in sizes for c in itertools.combinations(names, n)]


def rank_sets(op):
    """`ranks` for `draw`: every input at its first shape, then one input at another of its shapes."""
    return [{}] + [{array.name: choice} for array in op.spec.inputs for choice in range(1, len(array.shapes))]


def cases(op, sizes):
    """(dtype mix, options, sizes) to test: every subset of the options in float32, all or none of them in the other
    mixes, and the sizes in turn. The first two are float32 with no and with all options at the last of the sizes."""
    mixes, (*sets, everything) = dtype_mixes(op), option_sets(op)
    few = [(mixes[0], present) for present in (*sets[:1], everything, *sets[1:])]
    few += [(mix, everything if i % 2 else ()) for i, mix in enumerate(mixes[1:], 1)]
    return [(mix, present, (sizes[-1 - max(i - 1, 0) % len(sizes)],)) for i, (mix, present) in enumerate(few)]


def batch(length, sizes):
    """A batch for arrays of at least 8 elements: smaller ones need other programs, which other tests compile."""
    return max(2, 8 // min(length, math.prod(sizes.values())))
