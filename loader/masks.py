"""Steps of arrays [B, L, ...] by masks [B, L] and by their numbers."""

import mlx.core as mx


def keep(mask, x, other=0):
    """`x` where `mask` holds, and `other`, a number, elsewhere, whatever `x` holds there."""
    return mx.where(_spread(mask, x), x, mx.array(other, x.dtype))


def replace(mask, x, value):
    """`x` with `value`, a number, where `mask` holds; `mask` may be None."""
    return x if mask is None else mx.where(_spread(mask, x), mx.array(value, x.dtype), x)


def take(x, steps):
    """The steps [B, N] of `x`."""
    return mx.take_along_axis(x, _spread(steps, x), axis=1)


def valid(mask, lengths, length):
    """The mask of the steps that neither `mask` nor `lengths` [B] leaves out, or None."""
    if lengths is None:
        return mask
    within = mx.arange(length) < lengths[:, None]
    return within if mask is None else within & mask.astype(mx.bool_)


def _spread(by_step, x):
    """An array [B, N] with as many axes as `x`."""
    return by_step.reshape(by_step.shape + (1,) * (x.ndim - by_step.ndim))
