"""Every op against its recurrence in float64, outputs and gradients, as errors to read and not only as a verdict."""

import mlx.core as mx
import numpy as np

import loader
from loader.expression import DTYPES, Scope

from .session import Failure

# As README.md promises.
BOUNDS = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}


def run(name, dtype, length, sizes, optional):
    """The error of each output and gradient at one size, with or without the op's optional inputs. Raises Failure
    where one is above what the op promises."""
    op = loader.get(name)
    inputs = draw(op, {"B": 2, "L": length, **sizes}, dtype, optional)
    outputs, cotangents, gradients = _results(op, inputs)
    want_outputs, want_gradients = _truth(op, inputs, cotangents)
    promised = BOUNDS | {kind: bound for kind, bound, _ in op.spec.bounds}
    rows, wrong = {}, []
    found = [(a.name, y, want) for a, y, want in zip(op.spec.outputs, outputs, want_outputs)]
    found += [(f"grad_{n}", gradients[n], want) for n, want in want_gradients.items()]
    for what, got, want in found:
        (kind,) = (kind for kind in BOUNDS if DTYPES[kind] == got.dtype)
        rows[what] = {"error": error(got, want), "bound": promised[kind]}
        if not rows[what]["error"] <= promised[kind]:
            wrong.append(what)
    if wrong:
        raise Failure(f"above the promised error: {', '.join(wrong)}", rows)
    return rows


def draw(op, dims, dtype, optional):
    """Random inputs by name, as the manifest says: the activations of one dtype."""
    rng = np.random.default_rng(0)
    inputs = {}
    for array in op.spec.inputs:
        if optional or not array.optional:
            shape = [axis(Scope(dims, {}, {})) for axis in array.shapes[0]]
            inputs[array.name] = _random(rng, array, shape, dtype)
    return inputs


def _random(rng, array, shape, dtype):
    if array.dtypes == ("bool",):
        return mx.array(rng.random(shape) < 0.1)
    kind, *limits = array.sample
    values = rng.uniform(*limits, shape) if kind == "uniform" else rng.normal(size=shape)
    return mx.array(values.astype(np.float32)).astype(DTYPES[dtype if dtype in array.dtypes else array.dtypes[0]])


def _results(op, inputs):
    """(outputs, cotangents for them, gradients by name) of the op, on the engine in use."""
    names = [a.name for a in op.spec.inputs if a.name in inputs and a.differentiable]
    required = [a.name for a in op.spec.required]

    def function(*arrays):
        given = {**inputs, **dict(zip(names, arrays))}
        positional = [given.pop(name) for name in required]
        found = op(*positional, return_state=True, **given)
        return found if isinstance(found, tuple) else (found,)

    rng = np.random.default_rng(1)
    shapes = [(y.shape, y.dtype) for y in function(*(inputs[name] for name in names))]
    cotangents = [mx.array(rng.normal(size=shape).astype(np.float32)).astype(dtype) for shape, dtype in shapes]
    outputs, gradients = mx.vjp(function, [inputs[name] for name in names], cotangents)
    mx.eval(outputs, gradients)
    return outputs, cotangents, dict(zip(names, gradients))


def _truth(op, inputs, cotangents):
    """(outputs, gradients by name) of the recurrence in float64."""
    names = [a.name for a in op.spec.inputs if a.name in inputs and a.differentiable]
    fixed = {name: x for name, x in inputs.items() if name not in names}
    fixed |= {option.name: option.default for option in op.spec.options}
    with mx.stream(mx.cpu):
        outputs, gradients = mx.vjp(
            lambda *arrays: op._reference(**dict(zip(names, arrays)), **fixed),
            [inputs[name].astype(mx.float64) for name in names],
            [c.astype(mx.float64) for c in cotangents],
        )
        mx.eval(outputs, gradients)
    return outputs, dict(zip(names, gradients))


def error(got, want):
    """rms(got - want) / rms(want); where `want` is all zero, 0 if `got` is too and infinity if not."""
    with mx.stream(mx.cpu):  # GPUs have no float64
        got, want = (np.array(x.astype(mx.float64)) for x in (got, want))
    scale = np.sqrt(np.mean(want**2))
    if scale == 0:
        return 0.0 if not np.any(got) else float("inf")
    return float(np.sqrt(np.mean((got - want) ** 2)) / scale)
