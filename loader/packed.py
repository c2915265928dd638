"""Packed sequences: several sequences, one after the other, in a batch of one."""

from collections.abc import Sequence

import mlx.core as mx

from .arguments import LARGEST, integer


def reset_from_cu_seqlens(cu_seqlens: Sequence[int] | mx.array, length: int) -> mx.array:
    """The `reset` [1, length] bool of sequences packed one after the other into a batch of one.

    `cu_seqlens` are their bounds, as in FlashAttention: 0, the end of the first, the end of the second, and so on; N
    + 1 integers of Python, NumPy or MLX, as a list or a 1-d array. A sequence may be empty. If the last one ends
    before `length`, the padding after it is one more sequence: no state reaches it. Raises TypeError if they are not
    integers, and ValueError if they do not rise from 0 to at most `length`."""
    size = integer(length)
    if size is None:
        raise TypeError(f"[reset_from_cu_seqlens] expected length to be an integer but got {length!r}.")
    if not 0 <= size <= LARGEST:
        raise ValueError(f"[reset_from_cu_seqlens] expected length to lie between 0 and {LARGEST} but got {size}.")
    reset = mx.zeros((1, size), dtype=mx.bool_)
    starts = [bound for bound in bounds_of("reset_from_cu_seqlens", cu_seqlens, size) if bound < size]
    if starts:
        reset[0, mx.array(starts)] = True
    return reset


def bounds_of(name, cu_seqlens, size):
    """`cu_seqlens` as a list of ints that rise from 0 to at most `size`; raises, for the function called `name`."""
    try:
        given = cu_seqlens.tolist() if hasattr(cu_seqlens, "tolist") else cu_seqlens
        bounds = [integer(bound) for bound in given]
    except TypeError:
        bounds = [None]
    if None in bounds:
        raise TypeError(f"[{name}] expected cu_seqlens to hold integers, in 1-d, but got {cu_seqlens}.")
    if not bounds or bounds[0] != 0 or bounds[-1] > size or bounds != sorted(bounds):
        raise ValueError(
            f"[{name}] expected cu_seqlens to rise from 0 to at most {size}, the length, but got {bounds}."
        )
    return bounds
