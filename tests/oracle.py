"""The truth about an op: its recurrence in float64, and random inputs for it drawn as the manifest says."""

import itertools
import os

import mlx.core as mx
import numpy as np
import pytest

import loader
from loader.expression import DTYPES, Scope

# Whether the exhaustive tests run too.
FULL = os.environ.get("FULL") == "1"
# MLX 0.32 looks for the vmap rule of every kernel inside of a custom_function, though that has a rule itself.
KERNELS_VMAP = loader.backend() in ("opencl", "reference")
needs_kernels = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
BOUNDS = {mx.float32: 1e-5, mx.float16: 2e-3, mx.bfloat16: 1e-2}
LENGTHS = (1, 7, 63, 100, 500)


def carrying():
    """The names of the ops that can go on where they stopped. Of the others time cannot be cut anywhere: g of
    gated_delta_chunk_state adds up within a chunk."""
    specs = (loader.get(name).spec for name in loader.names())
    return [
        spec.name
        for spec in specs
        if any(array.name == "initial_state" for array in spec.inputs)
        and any(array.name == "final_state" for array in spec.outputs)
    ]


def error(got, want):
    """rms(got - want) / rms(want); where `want` is all zero, 0 if `got` is too and infinity if not."""
    with mx.stream(mx.cpu):  # GPUs have no float64
        got, want = (np.array(x.astype(mx.float64)) for x in (got, want))
    assert got.shape == want.shape
    scale = np.sqrt(np.mean(want**2))
    if scale == 0:
        return 0.0 if not np.any(got) else np.inf
    return np.sqrt(np.mean((got - want) ** 2)) / scale


def bound(op, dtype):
    """The error that the op promises for results of this dtype."""
    return {DTYPES[name]: value for name, value, _ in op.spec.bounds}.get(dtype, BOUNDS[dtype])


def assert_close(op, got, want, what):
    limit = bound(op, got.dtype)
    found = error(got, want)
    assert found <= limit, f"{what} ({got.dtype}): error {found:.2e} is above {limit:.0e}"


def dtype_mixes(op):
    """Dtypes of the float inputs to test: every mix of two; of more all alike, and each alone in float32."""
    floats = [array for array in op.spec.required if array.differentiable and len(array.dtypes) > 1]
    if len(floats) <= 2:
        mixes = itertools.product(floats[0].dtypes if floats else (), repeat=len(floats))
    else:
        mixes = [(d,) * len(floats) for d in floats[0].dtypes]
        for odd, half in zip(range(len(floats)), itertools.cycle(("float16", "bfloat16"))):
            mixes.append(tuple("float32" if i == odd else half for i in range(len(floats))))
    return [dict(zip((array.name for array in floats), mix)) for mix in mixes]


def cases(op):
    """(dtype mix, options, sizes) to test: all pairs of an op of two inputs, at every size; of one with more every
    subset of the options in float32, all or none of them in the other mixes, and the sizes in turn."""
    mixes, sets, sizes = dtype_mixes(op), option_sets(op), op.spec.examples
    if len(op.spec.required) <= 2:
        return [(mix, present, sizes) for mix, present in itertools.product(mixes, sets)]
    pairs = [(mixes[0], present) for present in sets] + [(m, sets[-(i % 2)]) for i, m in enumerate(mixes[1:], 1)]
    return [(mix, present, (sizes[-1 - i % len(sizes)],)) for i, (mix, present) in enumerate(pairs)]


def option_sets(op):
    """Every subset of up to two optional inputs; of more of them none, each alone, and all."""
    names = [array.name for array in op.spec.optional]
    sizes = range(len(names) + 1) if len(names) <= 2 else (0, 1, len(names))
    return [c for n in sizes for c in itertools.combinations(names, n)]


def rank_sets(op):
    """`ranks` for `draw`: every input at its first shape, then one input at another of its shapes."""
    return [{}] + [{array.name: choice} for array in op.spec.inputs for choice in range(1, len(array.shapes))]


def draw(op, dims, present=(), dtypes=None, seed=0, ranks=None):
    """Random inputs by name, in the manifest's order; of the optional ones those in `present`. `ranks` maps
    the name of an input to which of its shapes it gets, if not the first."""
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


def truth(op, inputs, cotangents, **options):
    """(outputs, gradients of the float inputs by name) of the recurrence in float64."""
    names = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]
    fixed = {name: x for name, x in inputs.items() if name not in names}
    options = {option.name: option.default for option in op.spec.options} | options
    with mx.stream(mx.cpu):
        primals = [inputs[name].astype(mx.float64) for name in names]
        outputs, gradients = mx.vjp(
            lambda *arrays: op._reference(**dict(zip(names, arrays)), **fixed, **options),
            primals,
            [c.astype(mx.float64) for c in cotangents],
        )
        mx.eval(outputs, gradients)
    return outputs, dict(zip(names, gradients))


def cut(op, inputs, start, stop):
    """The inputs of the time steps from start to stop."""
    found = {}
    for array in op.spec.inputs:
        if array.name in inputs:
            at, x = array.axis("L"), inputs[array.name]
            found[array.name] = x if at is None else mx.split(x, [start, stop], axis=at)[1]
    return found


def truth_in_pieces(op, inputs, cotangents, piece=256):
    """As `truth` of an op of `carrying()`, some steps at a time: MLX's gradient of a slice has the size of what it was
    cut from, so that time and memory would grow with L * L."""
    starts = list(range(0, cotangents[0].shape[1], piece))
    pieces = [cut(op, inputs, at, at + piece) for at in starts]
    state, grad_state = inputs.get("initial_state", mx.zeros(cotangents[1].shape)), cotangents[1]
    ys, gradients = [], {}
    with mx.stream(mx.cpu):
        for part in pieces:
            part["initial_state"] = state.astype(mx.float64)
            wide = {n: x if x.dtype == mx.bool_ else x.astype(mx.float64) for n, x in part.items()}
            y, state = op._reference(**wide)
            mx.eval(y, state)
            ys.append(y)
        for part, grad_y in zip(reversed(pieces), reversed(mx.split(cotangents[0], starts[1:], axis=1))):
            _, found = truth(op, part, [grad_y, grad_state])
            grad_state = found.pop("initial_state")
            for name, gradient in found.items():
                gradients.setdefault(name, []).insert(0, gradient)
        timed = {array.name for array in op.spec.inputs if array.axis("L") is not None}
        gradients = {n: mx.concatenate(g, axis=1) if n in timed else sum(g) for n, g in gradients.items()}
        gradients |= {"initial_state": grad_state} if "initial_state" in inputs else {}
        return [mx.concatenate(ys, axis=1), state], gradients
