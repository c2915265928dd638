"""A time axis in pieces: cutting it, putting it together, the steps before a piece, and sums over all pieces."""

from typing import TypeVar

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten

from ..masks import keep
from ..transforms import several
from .collectives import Sent, all_gather, all_sum, choose, pack, send, unpack

_Tree = TypeVar("_Tree")


def shard(x: mx.array, group: mx.distributed.Group | None = None, axis: int = 1) -> mx.array:
    """This rank's piece of `x` along `axis`: pieces differ by at most one step, the first ones being the longer."""
    group = choose(group)
    start, stop = (_cut(x.shape[axis], rank, group.size()) for rank in (group.rank(), group.rank() + 1))
    return mx.split(x, [start, stop], axis=axis)[1]


def _cut(length, rank, size):
    """Where the piece of a rank begins."""
    return length // size * rank + min(rank, length % size)


def gather(x: mx.array, group: mx.distributed.Group | None = None, axis: int = 1) -> mx.array:
    """The whole, on every rank, of pieces `x` along `axis`, which may differ in length.

    Its gradient is that of the sum of all ranks' losses. Unlike an op over time it moves every step, so that it is
    for examples, tests, and the keys and values of attention layers. It waits for the lengths of the pieces: no
    mx.compile goes through it.
    """
    group = choose(group)
    if group.size() == 1:
        return x
    length = mx.array([x.shape[axis]], mx.int32)
    lengths = all_gather(length, group, now=True).reshape(-1).tolist()
    place, kept = group.rank(), []

    @mx.custom_function
    def forward(x):
        gathered = all_gather(_padded(mx.moveaxis(x, axis, 0), max(lengths)), group)
        kept.append(gathered)
        pieces = [gathered[rank, :length] for rank, length in enumerate(lengths)]
        return mx.moveaxis(mx.concatenate(pieces, axis=0), 0, axis)

    @forward.vjp
    def _(x, cotangent, result):
        (whole,) = _sums(group, kept)(cotangent.astype(mx.float32))
        start = sum(lengths[:place])
        return mx.split(whole, [start, start + lengths[place]], axis=axis)[1].astype(x.dtype)

    return forward(x)


def _padded(x, length):
    """`x`, its first axis `length` long."""
    return mx.pad(x, [(0, length - len(x)), *((0, 0) for _ in x.shape[1:])])


def halo(x: mx.array, steps: int, group: mx.distributed.Group | None = None, reset: mx.array | None = None) -> mx.array:
    """The last `steps` steps before this rank's piece, `[B, steps, ...]`: what a causal convolution of steps + 1 taps
    sees of them, zeros before the beginning.

    `x` is the piece, `[B, L, ...]`, of any length; one shorter than `steps` lets through what was before it.
    `reset` `[B, L]` bool is as for ops: a step is zeros where a reset of this or another rank's piece came after it.
    Resets in this rank's own piece are for the convolution to see to. The gradient goes back to the rank it is of;
    one collective a pass, of a size that does not depend on L.
    """
    group = choose(group)
    if group.size() == 1 or not steps:
        return mx.zeros((len(x), steps, *x.shape[2:]), x.dtype)
    ones = (1,) * (x.ndim - 1)
    open_ = mx.ones((len(x), *ones)) if reset is None else ~reset.any(axis=1).reshape(-1, *ones)
    shapes = [(len(x), steps, *x.shape[2:]), open_.shape, (1,)]
    length, kept = mx.array([min(x.shape[1], steps)]), []

    @mx.custom_function
    def forward(x):
        sent = send([_tail(x, steps, reset), open_, length], shapes, group)
        kept.append(sent.rows)
        return _window(*_columns(sent), steps, group.rank()).astype(x.dtype), sent.rows

    @forward.vjp
    def _(x, cotangents, results):
        tails, opens, lengths = _columns(Sent(results[1], shapes))
        _, gradients = mx.vjp(
            lambda tails: _window(tails, opens, lengths, steps, group.rank()),
            [tails],
            [cotangents[0].astype(mx.float32)],
        )
        (gradient,) = _sums(group, kept)(gradients[0])
        return mx.vjp(lambda x: _tail(x, steps, reset), [x], [gradient[group.rank()].astype(x.dtype)])[1][0]

    def _columns(sent):
        return [mx.stack([sent[rank, i] for rank in range(group.size())]) for i in range(len(shapes))]

    return forward(x)[0]


def _tail(x, steps, reset):
    """The last `steps` steps of `x`, zeros where it has none, and before its last reset."""
    if reset is not None:
        sequence = mx.cumsum(reset.astype(mx.int32), axis=1)
        kept = sequence == sequence[:, -1:]
        x = keep(kept, x)
    x = x[:, max(0, x.shape[1] - steps) :]
    return mx.pad(x, [(0, 0), (steps - x.shape[1], 0), *((0, 0) for _ in x.shape[2:])])


def _window(tails, opens, lengths, steps, place):
    """The steps before the piece of a rank: each piece before it moves in its tail, `lengths` steps of it."""
    at, past = mx.arange(steps), mx.zeros(tails.shape[1:])
    for tail, open_, length in zip(tails[:place], opens, lengths):
        both = mx.concatenate([mx.where(open_ != 0, past, 0), tail], axis=1)
        moved = at + length.astype(mx.int32)
        past = mx.take(both, mx.where(moved < steps, moved, at + steps), axis=1)
    return past


def add_up(tree: _Tree, group: mx.distributed.Group | None = None) -> _Tree:
    """A pytree of float arrays, each added up over the ranks in float32: what makes gradients of parameters, of which
    every rank has its part, those of the sum of all ranks' losses. One collective; differentiable."""
    group, leaves = choose(group), tree_flatten(tree)
    if group.size() == 1 or not leaves:
        return tree
    total = _sums(group)(*(x for _, x in leaves))
    return tree_unflatten([(name, y) for (name, _), y in zip(leaves, total)])


def _sums(group, after=()):
    """The function of arrays that `add_up` is, run after those of `after`: a tuple of their sums."""
    kept = []

    @mx.custom_function
    def forward(*arrays):
        total = all_sum(pack(arrays), group, after)
        kept.append(total)
        return tuple(y.astype(x.dtype) for x, y in zip(arrays, unpack(total, [x.shape for x in arrays])))

    @forward.vjp
    def _(primals, cotangents, results):
        return _sums(group, kept)(*several(cotangents))

    return forward
