"""Errors of an op's outputs, states and gradients against its reference in float64, and their bounds."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import mlx.core as mx
import numpy as np

from ..expression import DTYPES
from ..op import Op
from ..plan import scope_of
from ..spec import FLOATS
from . import inputs as drawn
from .truth import truth, truth_in_pieces

# rms(got - want) / rms(want) that an op promises, by the dtype of the result, where its entry has no `bounds`.
BOUNDS = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1e-2}
LENGTHS = (1, 7, 63, 100)
# From this length on, the truth is computed in pieces.
_LONG = 256
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class Found:
    """The error of one result, such as `y` or `grad_x`."""

    name: str
    dtype: str
    error: float
    bound: float

    @property
    def is_right(self) -> bool:
        return self.error <= self.bound

    def __str__(self) -> str:
        return f"{self.name} ({self.dtype}): error {self.error:.2e} is above {self.bound:.0e}"


def parity(
    op: Op,
    *,
    lengths: Sequence[int] = LENGTHS,
    sizes: Sequence[Mapping[str, int]] | None = None,
    dtypes: Iterable[str] = FLOATS,
) -> dict[str, float]:
    """Check an op's kernels against its reference in float64: outputs, the final state and the gradient of every float
    input. Results start as NaN, so an element that no thread writes is found.

    The calls cover mixes of `dtypes`, sets of optional inputs and every rank of an input, at each of `lengths` and
    of `sizes`, mappings of every dim but B and L, by default the op's `examples`. Returns the largest error of each
    result, rms(got - want) / rms(want); the manifest's `bounds`, or else BOUNDS, limit it. For an op without
    `backward` it checks outputs only.
    Raises AssertionError that names the call and each wrong result, and ValueError without sizes or a reference.
    """
    sizes = tuple(op.spec.examples if sizes is None else sizes)
    if not sizes or op._reference is None:
        lacking = "a reference: pass one to loader.load" if sizes else "sizes: pass sizes= or give it `examples`"
        raise ValueError(f"[{op.spec.name}] expected an op with {lacking}.")
    run, allowed, worst = poisoned(op), set(dtypes), {}
    for mix, present, ranks, some in _calls(op, sizes):
        if not set(mix.values()) <= allowed:
            continue
        for length, each in itertools.product(lengths, some):
            dims = {"B": drawn.batch(max(length, 1), each), "L": length, **each}
            found = compare(run, drawn.draw(op, dims, present, mix, seed=length, ranks=ranks))
            wrong = [result for result in found if not result.is_right]
            if wrong:
                call = ", ".join([*(f"{k} {v}" for k, v in (dims | mix).items()), *present, *map(str, ranks)])
                raise AssertionError("\n  ".join([f"[{op.spec.name}] misses the truth at {call}:", *map(str, wrong)]))
            for result in found:
                worst[result.name] = max(worst.get(result.name, 0.0), result.error)
    return worst


def _calls(op, sizes):
    """(dtypes by input, options, ranks, sizes) to test."""
    for mix, present, some in drawn.cases(op, sizes):
        yield mix, present, {}, some
    for ranks in drawn.rank_sets(op)[1:]:
        mix = {array.name: "float32" for array in op.spec.required if array.differentiable}
        yield mix, [array.name for array in op.spec.optional], ranks, sizes[-1:]


def check(op: Op, inputs: Mapping[str, mx.array]) -> None:
    """Raise AssertionError unless a call with these inputs, by name, gives what `parity` expects."""
    for result in compare(op, inputs):
        _expect(result.is_right, str(result))


def compare(op: Op, inputs: Mapping[str, mx.array]) -> list[Found]:
    """The error of each output and gradient of a call with these inputs, by name, all outputs and both passes."""
    rng = np.random.default_rng(1)
    shaped = call(op.reference, op, inputs)
    cotangents = [mx.array(rng.normal(size=y.shape).astype(np.float32)).astype(y.dtype) for y in shaped]
    outputs, gradients = run(op, inputs, cotangents)
    long = op.spec.carries and len(shaped) == 2 and shaped[0].shape[1] > _LONG
    want_outputs, want_gradients = (truth_in_pieces if long else truth)(op, inputs, cotangents)
    found = [_found(op, inputs, a.name, got, want) for a, got, want in zip(op.spec.outputs, outputs, want_outputs)]
    for name, got in gradients.items():
        wanted = inputs[name].dtype
        _expect(got.dtype == wanted, f"expected grad_{name} to have dtype {wanted} but got {got.dtype}")
        found.append(_found(op, inputs, f"grad_{name}", got, want_gradients[name]))
    return found


def _expect(holds, message):
    """An assertion that holds under `python -O` too."""
    if not holds:
        raise AssertionError(message)


def _found(op, inputs, name, got, want):
    return Found(name, _NAMES[got.dtype], error(got, want), bound(op, name, got.dtype, inputs))


def run(op, inputs, cotangents):
    """(outputs, gradients by name) of the op: all outputs, and both passes where it has two."""
    names = op.spec.differentiated(inputs) if all(variant.backward for variant in op.spec.variants) else []

    def function(*arrays):
        return call(op, op, {**inputs, **dict(zip(names, arrays))})

    if not names:
        return list(function()), {}
    outputs, gradients = mx.vjp(function, [inputs[name] for name in names], cotangents)
    return outputs, dict(zip(names, gradients))


def call(function, op, inputs):
    """Every output of `function`, the op or one of its methods, on inputs by name, as a tuple."""
    given = dict(inputs)
    positional = [given.pop(array.name) for array in op.spec.required]
    results = function(*positional, return_state=True, **given)
    return results if isinstance(results, tuple) else (results,)


def poisoned(op: Op) -> Op:
    """The op with outputs that start as NaN, so that an element no thread writes shows."""
    if op.engine.NAME == "reference":
        return op
    engine = SimpleNamespace(**{key: getattr(op.engine, key) for key in ("NAME", "LAZY", "missing", "ready")})
    engine.build = lambda *arguments: partial(op.engine.build(*arguments), init_value=math.nan)
    engine.prepare = lambda launches: op.engine.prepare([replace(each, kernel=each.kernel.func) for each in launches])
    return Op(op.spec, engine, op._reference)


def bound(op, result, dtype, inputs=None):
    """The error that the op promises for the result of that name and dtype, in a call with these inputs by name or,
    without them, in every call."""
    given = {name: (x.shape, x.dtype) for name, x in (inputs or {}).items()}
    scope = scope_of(op.spec, given, [option.default for option in op.spec.options]) if given else None
    names = (result, _NAMES[dtype])
    declared = (b.bound for b in op.spec.bounds if b.result in names and (b.when is None or scope and b.when(scope)))
    return next(declared, BOUNDS[_NAMES[dtype]])


def error(got: mx.array, want: mx.array) -> float:
    """rms(got - want) / rms(want); where `want` is all zero, 0 if `got` is too and infinity if not."""
    with mx.stream(mx.cpu):  # GPUs have no float64
        got, want = (np.array(x.astype(mx.float64)) for x in (got, want))
    _expect(got.shape == want.shape, f"expected the shape {want.shape} but got {got.shape}")
    scale = np.sqrt(np.mean(want**2))
    if scale == 0:
        return 0.0 if not np.any(got) else math.inf
    return float(np.sqrt(np.mean((got - want) ** 2)) / scale)
