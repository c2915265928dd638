"""Packed sequences: several, one after the other, in one row of time."""

import mlx.core as mx


def reset_from_cu_seqlens(cu_seqlens, length):
    """The `reset` [1, length] bool of sequences packed one after the other into a batch of one.

    `cu_seqlens` are their bounds, as FlashAttention has them: 0, the end of the first, the end of the second, up to
    `length`; N + 1 integers as a list or a 1-d array. A sequence may be empty.
    Raises TypeError where they are no integers and ValueError where they do not rise from 0 to `length`.
    """
    bounds = cu_seqlens.tolist() if hasattr(cu_seqlens, "tolist") else list(cu_seqlens)
    if not isinstance(bounds, list) or not all(isinstance(bound, int) for bound in bounds):
        raise TypeError(f"[reset_from_cu_seqlens] expected cu_seqlens to hold integers, in 1-d, but got {cu_seqlens}.")
    if not bounds or bounds[0] != 0 or bounds[-1] != length or bounds != sorted(bounds):
        raise ValueError(
            f"[reset_from_cu_seqlens] expected cu_seqlens to rise from 0 to the length, {length}, but got {bounds}."
        )
    reset = mx.zeros((1, length), dtype=mx.bool_)
    starts = [bound for bound in bounds if bound < length]
    if starts:
        reset[0, mx.array(starts)] = True
    return reset
