"""The operators that `associative_scan` knows by name, in MLX, numbered as in shaders/associative_scan/operators.h."""

import mlx.core as mx


def _keep_max(earlier, later):
    """The larger, or NaN if there is one; of two equals the first, which gets the gradient."""
    return mx.where((earlier >= later) | (earlier != earlier), earlier, later)


def _keep_min(earlier, later):
    return mx.where((earlier <= later) | (earlier != earlier), earlier, later)


def _logaddexp(earlier, later):
    """log(e^earlier + e^later). The gradient of MLX's own is NaN where both are the same infinity, here 1, and 0 for a
    value far below the other."""
    infinite = (earlier == later) & mx.isinf(earlier)
    first, second = (mx.where(infinite, 0, x) for x in (earlier, later))
    larger, smaller = mx.where(first >= second, first, second), mx.where(first >= second, second, first)
    return mx.where(infinite, earlier + later, larger + mx.log1p(mx.exp(smaller - larger)))


# name: (the operator, its identity on the left)
OPERATORS = {
    "add": (mx.add, 0.0),
    "mul": (mx.multiply, 1.0),
    "max": (_keep_max, -float("inf")),
    "min": (_keep_min, float("inf")),
    "logaddexp": (_logaddexp, -float("inf")),
}
