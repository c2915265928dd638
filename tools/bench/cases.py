"""A case for timing: an op at one size on random inputs, plain MLX, and other packages' functions for the same."""

from dataclasses import dataclass, replace

import mlx.core as mx

import loader
from loader.expression import DTYPES, Scope

from . import peers

# The sizes of a small model, by the manifest's dims.
SIZES = {"D": 1536, "K": 4, "H": 12, "Hk": 12, "G": 1, "Dh": 64, "Dk": 64, "Dv": 64, "N": 16}
# The names of our op and of its reference among the contenders.
OURS, PLAIN = "ours", "plain MLX"
TOLERANCE = {"float32": 1e-4, "float16": 5e-3, "bfloat16": 3e-2}


@dataclass
class Case:
    """`contenders` maps a name to a function of the op's required inputs; the first is ours."""

    op: object
    label: str
    dtype: str
    inputs: dict
    cotangents: list
    tokens: int
    contenders: dict

    def without(self, skip):
        """The same with fewer contenders."""
        return replace(self, contenders={who: f for who, f in self.contenders.items() if who not in skip})


def names():
    return loader.names()


def make(name, batch, length, dims, dtype, shapes=None):
    """The case of an op, at `SIZES` updated by `dims`; `shapes` has the index of an input's shape, by default 0.
    Raises ValueError if they do not fit the op."""
    op = loader.get(name)
    inputs, sizes = draw(op, batch, length, dims, dtype, shapes)
    outputs = op(*inputs.values())
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    cotangents = [mx.random.normal(y.shape).astype(y.dtype) for y in outputs]
    mx.eval(inputs, cotangents)
    label = f"{name} " + " ".join(f"{n}{s}" for n, s in sizes.items())
    label += "".join(f" {n}{list(inputs[n].shape)}" for n in (shapes or {}) if n in inputs)
    contenders = {OURS: op, PLAIN: op.reference, **peers.of(name, inputs)}
    return Case(op, label, dtype, inputs, cotangents, batch * length, contenders)


def draw(op, batch, length, dims, dtype, shapes=None):
    """(random required inputs by name, sizes by dim), as `make` takes them."""
    axes = {array.name: array.shapes[(shapes or {}).get(array.name, 0)] for array in op.spec.required}
    used = {axis.text for shape in axes.values() for axis in shape}
    sizes = {n: s for n, s in {"B": batch, "L": length, **SIZES, **dims}.items() if n in used}
    mx.random.seed(0)
    return {array.name: _draw(array, axes[array.name], sizes, dtype) for array in op.spec.required}, sizes


def _draw(array, axes, sizes, dtype):
    shape = [axis(Scope(sizes, {}, {})) for axis in axes]
    kind, *limits = array.sample
    values = mx.random.uniform(*limits, shape) if kind == "uniform" else mx.random.normal(shape)
    return values.astype(DTYPES[dtype if dtype in array.dtypes else array.dtypes[0]])


def check(case):
    """Raise unless outputs and gradients of every contender equal ours."""
    primals = list(case.inputs.values())
    want = None
    for name, function in case.contenders.items():
        outputs, gradients = mx.vjp(function, primals, case.cotangents)
        got = [x.astype(mx.float32) for x in (*outputs, *gradients)]
        want = want or got
        for x, y in zip(got, want):
            error = (mx.sqrt(((x - y) ** 2).mean()) / mx.sqrt((y**2).mean())).item()
            if not error <= TOLERANCE[case.dtype]:
                raise SystemExit(f"{case.label}: {name} differs from ours by {error:.1e}; not timed.")
