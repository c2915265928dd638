"""The reference against the same recurrence in NumPy: two implementations rarely have the same fault."""

import itertools
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from ..op import Op
from .inputs import draw, option_sets, rank_sets

_BOUND = 1e-12
_WAY_OUT = (
    "If both are the same recurrence, look for a function of MLX's that is no better in float64 than in float32: "
    "mx.exp, mx.sigmoid and what is made of them. loader.maths has exp and sigmoid in full precision"
)


def reference(op: Op, twin: Callable[..., Any], *, length: int = 33) -> None:
    """Check the op's reference against `twin`, a function of the same inputs by name as NumPy arrays that returns all
    outputs: with every option and rank, in float64, to 1e-12. Raises AssertionError naming the output."""
    sizes = (op.spec.examples or ({},))[-1]
    for present, ranks in itertools.product(option_sets(op), rank_sets(op)):
        inputs = wide(draw(op, {"B": 2, "L": length, **sizes}, present, ranks=ranks))
        with mx.stream(mx.cpu):
            got = op._reference(**inputs)
            want = twin(**{name: np.array(x) for name, x in inputs.items()})
            for array, x, y in zip(op.spec.outputs, got, want):
                _compare(op, array.name, np.array(x), y)


def wide(inputs):
    """Inputs by name, float32 converted to float64 on the CPU, since GPUs have no float64."""
    with mx.stream(mx.cpu):
        return {n: x.astype(mx.float64) if x.dtype == mx.float32 else x for n, x in inputs.items()}


def _compare(op, name, got, want):
    if got.shape != np.shape(want):
        raise AssertionError(f"[{op.spec.name}] expected {name} to have shape {np.shape(want)} but got {got.shape}.")
    apart = np.abs(got - want) > _BOUND * (1 + np.abs(want))
    apart |= np.isnan(got) != np.isnan(want)
    if apart.any():
        at = tuple(map(int, np.argwhere(apart)[0]))
        raise AssertionError(
            f"[{op.spec.name}] the reference and its twin differ by more than {_BOUND:.0e} in {apart.sum()} of "
            f"{apart.size} elements of {name}: at {at} {got[at]!r} and {want[at]!r}. {_WAY_OUT}."
        )
