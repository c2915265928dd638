"""Functions for references: plain MLX that is precise in float64 too."""

from collections.abc import Sequence

import mlx.core as mx


def wide(x: mx.array) -> mx.array:
    """`x` in float32, or in float64 if it is float64, so that a reference can check kernels in float64."""
    return x if x.dtype == mx.float64 else x.astype(mx.float32)


def over_time(steps: Sequence[mx.array], like: mx.array) -> mx.array:
    """Stack the arrays of all steps along axis 1, in the dtype of `like`; without steps, an empty array like `like`."""
    return mx.stack(list(steps), axis=1).astype(like.dtype) if steps else mx.zeros_like(like)


def fresh(state: mx.array, reset: mx.array | None, t: int, value: float = 0) -> mx.array:
    """The state [B, ...] before step `t`, replaced by `value` where `reset` [B, L], if there is one, holds.

    It selects by an index: the gradient of mx.where multiplies by 0, which would let a NaN through.
    """
    if reset is None or state.size == 0:  # MLX's gather divides by the size
        return state
    choices = mx.stack([state, mx.full(state.shape, value, state.dtype)])
    chosen = mx.stop_gradient(reset[:, t]).astype(mx.int32).reshape(1, -1, *(1 for _ in state.shape[1:]))
    return mx.take_along_axis(choices, mx.broadcast_to(chosen, (1, *state.shape)), axis=0)[0]


def exp(x: mx.array) -> mx.array:
    """e^x; mx.exp of float64 is no better than that of float32."""
    return mx.expm1(x) + 1 if x.dtype == mx.float64 else mx.exp(x)


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + e^-x); mx.sigmoid of float64 is no better than that of float32."""
    return (1 + mx.tanh(x / 2)) / 2 if x.dtype == mx.float64 else mx.sigmoid(x)


def bounded_sqrt(x: mx.array, limit: float) -> mx.array:
    """The square root, with a derivative of at most `limit`."""
    steep = x <= (0.5 / limit) ** 2
    line = mx.stop_gradient(mx.sqrt(x)) + limit * (x - mx.stop_gradient(x))
    return mx.where(steep, line, mx.sqrt(mx.where(steep, 1, x)))
