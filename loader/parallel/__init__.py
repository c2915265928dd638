"""One sequence over several devices: each rank of an mx.distributed group holds a piece of the time axis.

    import loader, mlx.core as mx
    from loader import parallel

    group = mx.distributed.init()
    gla = parallel.over_time(loader.get("gla"), group)
    q, k, v, g = (parallel.shard(x, group) for x in whole)          # [B, L, ...] -> this rank's steps
    o = gla(q, k, v, g)                                             # this rank's steps of the output; differentiable
    o = parallel.gather(o, group)                                   # [B, L, ...] on every rank

docs/parallel.md has the mathematics, the costs, and how to start the processes.
"""

from __future__ import annotations

import mlx.core as mx

from ..op import Op
from .collectives import choose, forget
from .over_time import OverTime
from .pieces import add_up, gather, halo, shard

__all__ = ["OverTime", "add_up", "choose", "forget", "gather", "halo", "over_time", "shard"]


def over_time(op: Op, group: mx.distributed.Group | None = None) -> OverTime:
    """`op` over a sequence whose time axis is cut between the ranks of `group`, by default all processes. The result is
    a function with the op's arguments:

        y = over_time(op, group)(*inputs, initial_state=None, reset=None, return_state=False)

    Each rank passes its piece of the inputs that have a time axis, of any length from 0 on, and gets its piece of the
    outputs of one process. The first rank's `initial_state` is used; every rank gets the final state of the whole, if
    all of them pass `return_state=True`. If an op runs backwards in time (`reverse`), the last rank has the first step.

    Gradients are those of the sum of all ranks' losses. For an input with a time axis a rank gets its piece of the
    gradient; for others, such as ssd's A, it gets its part of a sum, as in data parallelism, and `add_up` sums the
    parts. Every rank must call the same ops in the same order and differentiate its results. Each pass runs one
    collective, whose size does not depend on the length. Forward-mode, second-order derivatives and vmap raise
    NotImplementedError. Raises ValueError for an op whose time cannot be cut, and the op's errors.
    """
    return OverTime(op, group)
