"""Collectives that every rank runs in one order, which is that of the calls.

MLX runs a graph in an order of its own, and leaves out what no result depends on. A rank whose graph differs, be it by
one kernel, may so run two collectives the other way round, and all ranks hang. Here each depends on the one before.
"""

import math
import weakref

import mlx.core as mx

_last = None


def all_gather(x, group, now=False):
    """`x` of every rank, stacked in front; of the same shape everywhere.

    It runs after every collective made here before. `now` runs it at once, as engines run kernels that are not lazy.
    Whoever calls this keeps the result alive as long as the graph that it is part of: the next collective finds it by
    a weak reference.
    """
    if not x.size:
        return mx.zeros((group.size(), *x.shape), x.dtype)
    return _run(mx.distributed.all_gather, x[None], group, now)


def all_sum(x, group, after=()):
    """The sum of `x` over the ranks, as `all_gather` runs, and after the arrays `after`."""
    return _run(mx.distributed.all_sum, x, group, False, after) if x.size else x


def _run(collective, x, group, now, after=()):
    global _last
    before = [] if _last is None or _last() is None else [_last()]
    result = collective(behind(x, [*after, *before]), group=group)
    if now:
        mx.eval(result)
    _last = None if now else weakref.ref(result)
    return result


def forget() -> None:
    """Let the next collective follow no earlier one.

    A function that is given to mx.compile calls this before its first op over time and after its last: what MLX traces
    may reach no array of another trace, and nothing outside may reach one of its own.
    """
    global _last
    _last = None


def tied(x, arrays):
    """`x`, which has no value before the `arrays` have theirs, as MLX orders what it evaluates."""
    return mx.depends([x], list(arrays))[0] if arrays else x


def behind(x, arrays):
    """A copy of `x` that is made of the `arrays` too. A CUDA graph only knows who reads what another wrote, and runs
    kernels that do not at the same time: what shall wait for a collective has to read it."""
    for other in arrays:
        first = other.reshape(-1)[:1]
        x = mx.where(first == first, x, x)
    return x


def choose(group: mx.distributed.Group | None) -> mx.distributed.Group:
    """`group`, by default that of all processes: of one, where MLX was not told of others."""
    return mx.distributed.init() if group is None else group


def pack(arrays):
    """One vector of float32 arrays."""
    return mx.concatenate([x.astype(mx.float32).reshape(-1) for x in arrays])


def unpack(vector, shapes):
    """The arrays of these shapes that `pack` made a vector of."""
    arrays, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        arrays.append(vector[start : start + size].reshape(shape))
        start += size
    return arrays
