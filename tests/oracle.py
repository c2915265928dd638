"""Tools that tests share: those of `loader.testing`, and the conditions of tests that not every machine or run has."""

import functools
import os
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest

import loader
from loader import testing
from loader.expression import DTYPES
from loader.sequences import cut
from loader.testing.inputs import cases, draw, dtype_mixes, option_sets, rank_sets
from loader.testing.kernels import bound, call, check, error, run
from loader.testing.kernels import poisoned as with_nan
from loader.testing.truth import truth, truth_in_pieces

__all__ = [
    "BOUNDS",
    "FULL",
    "KERNELS_VMAP",
    "LENGTHS",
    "as_on_metal",
    "assert_close",
    "bound",
    "call",
    "carrying",
    "cases",
    "check",
    "close",
    "cut",
    "draw",
    "dtype_mixes",
    "error",
    "model_dtypes",
    "needs_kernels",
    "option_sets",
    "planned_as",
    "poisoned",
    "rank_sets",
    "run",
    "truth",
    "truth_in_pieces",
]

# Whether the exhaustive tests run too.
FULL = os.environ.get("FULL") == "1"


def first(count, cases, why):
    """The cases of a parametrized test: the first `count`, and the others with FULL=1 only, for the reason `why`."""
    cases, mark = list(cases), pytest.mark.full(why)
    wide = [case if isinstance(case, (tuple, list)) else (case,) for case in cases[count:]]
    return cases[:count] + [pytest.param(*case, marks=mark) for case in wide]


# MLX 0.32 asks every kernel in a custom_function for a vmap rule, although the function has one.
KERNELS_VMAP = loader.backend() in ("opencl", "reference")
needs_kernels = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")
BOUNDS = {DTYPES[name]: value for name, value in testing.BOUNDS.items()}
LENGTHS = (1, 7, 63, 100, 300)


def carrying():
    """The names of the ops that can continue from a final state."""
    return [name for name in loader.names() if loader.get(name).spec.carries]


@functools.cache
def poisoned(name):
    """The op with outputs that start as NaN; its kernels are built once."""
    return with_nan(loader.get(name))


def planned_as(op, name):
    """The op planned as on the engine of that name, its kernels built by the engine in use."""
    names = ("LAZY", "missing", "ready", "build", "prepare")
    engine = SimpleNamespace(NAME=name, **{part: getattr(op.engine, part) for part in names})
    return loader.Op(op.spec, engine, op._reference)


def as_on_metal(op):
    """The op planned as on Apple GPUs."""
    return planned_as(op, "metal")


def model_dtypes(op):
    """{input: dtype} as models have them: bfloat16 but for gates."""
    gates = ("a", "g", "beta", "delta", "A")
    return {a.name: "bfloat16" for a in op.spec.inputs if "bfloat16" in a.dtypes and a.name not in gates}


def assert_close(op, got, want, what, inputs=None):
    """Within the op's bound for the result called `what`, in a call with these inputs by name."""
    limit = bound(op, what, got.dtype, inputs)
    found = error(got, want)
    assert found <= limit, f"{what} ({got.dtype}): error {found:.2e} is above {limit:.0e}"


def relative(got, want):
    """rms(got - want) / rms(want) of arrays of MLX or NumPy, such as a truth in float64."""
    got, want = (np.array(x.astype(mx.float32) if isinstance(x, mx.array) else x, np.float64) for x in (got, want))
    assert got.shape == want.shape
    return np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))


def close(got, want, limit=1e-5):
    found = relative(got, want)
    assert found <= limit, f"error {found:.1e} is above {limit:.0e}"
