"""Collectives that every rank runs in one order, which is that of the calls.

MLX runs a graph in an order of its own, and leaves out what no result depends on. A rank whose graph differs, be it by
one kernel, may so run two collectives the other way round, and all ranks hang. Here each depends on the one before.
"""

import math
import weakref
from functools import lru_cache

import mlx.core as mx
import numpy as np

_last = None


class Sent:
    """What every rank sent: `sent[rank, i]` is array i of a rank, cut out of its row of `rows` where it is read."""

    def __init__(self, rows, shapes):
        self.rows, self.shapes, self._sizes = rows, shapes, [math.prod(shape) for shape in shapes]

    def __getitem__(self, at):
        rank, i = at
        start = sum(self._sizes[:i])
        return self.rows[rank][start : start + self._sizes[i]].reshape(self.shapes[i])


def send(arrays, shapes, group, now=False, after=()):
    """Arrays of these shapes of every rank, as `Sent`: by one collective, which runs as `all_gather` does, whose rows
    the caller keeps alive in the same way, and after the arrays `after`. A rank may give fewer `arrays` than `shapes`:
    the rest is NaN."""
    if not sum(map(math.prod, shapes)):
        return Sent(mx.zeros((group.size(), 0)), shapes)
    missing = mx.broadcast_to(mx.array(math.nan), (sum(map(math.prod, shapes[len(arrays) :])),))
    vector = pack([x for x in (*arrays, missing, _first([*after, *_before()])) if x.size])
    return Sent(_kept(mx.distributed.all_gather(vector[None], group=group), now), shapes)


def _first(arrays):
    """One number, which has a value when all of the arrays have theirs."""
    firsts = [x.reshape(-1)[:1].astype(mx.float32) for x in arrays]
    return mx.concatenate(firsts)[:1] if firsts else mx.array([0.0])


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
    return _kept(collective(behind(x, [*after, *_before()]), group=group), now)


def _before():
    """The collective that the next one has to follow, if there is one."""
    before = None if _last is None else _last()
    return [] if before is None else [before]


def _kept(result, now):
    """The result of a collective, which the next one follows."""
    global _last
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


@lru_cache(maxsize=4)
def blank(shape, value):
    """A state `value` that has its value already, so that no kernel makes it in each call. The last few, one of each
    op's sizes, stay as long as the process."""
    return mx.array(np.full(shape, value, np.float32))


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
