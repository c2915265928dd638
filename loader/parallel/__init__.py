"""One sequence over several devices: each rank of an mx.distributed group holds a piece of the time axis.

    import loader, mlx.core as mx
    from loader import parallel

    group = mx.distributed.init()
    gla = parallel.over_time(loader.get("gla"), group)
    q, k, v, g = (parallel.shard(x, group) for x in whole)          # [B, L, ...] -> this rank's steps
    o = gla(q, k, v, g)                                             # this rank's steps of the output; differentiable
    o = parallel.gather(o, group)                                   # [B, L, ...] on every rank

docs/parallel.md has the mathematics, what it costs, and how to start the processes.
"""

from __future__ import annotations

import mlx.core as mx

from ..op import Op
from .collectives import choose, forget
from .over_time import OverTime
from .pieces import add_up, gather, halo, shard

__all__ = ["OverTime", "add_up", "choose", "forget", "gather", "halo", "over_time", "shard"]


def over_time(op: Op, group: mx.distributed.Group | None = None) -> OverTime:
    """`op`, of `loader.get`, over a sequence whose time axis is cut between the ranks of `group`, by default of all
    processes. A function that is called as the op is:

        y = over_time(op, group)(*inputs, initial_state=None, reset=None, return_state=False)

    Each rank passes its piece of the inputs that have a time axis, of any length, an empty one included, and gets its
    piece of what one process would compute. `initial_state` counts on the first rank; the final state is that of
    the whole, on every rank, where all ranks ask for it. Where an op walks time backwards (`reverse`), the last rank is
    the first.

    Its gradient is that of the sum of all ranks' losses: exact for what a rank has a piece of. For what every rank has
    a copy of, as ssd's A, it is this rank's part, as in data parallelism: `add_up` makes the whole of it.
    Every rank has to call the same ops in the same order, and to differentiate what it computes; one collective
    runs a pass, of a size that does not depend on the length. Forward-mode, second-order derivatives and vmap raise
    NotImplementedError. Raises ValueError for an op whose time cannot be cut; else as the op does.
    """
    return OverTime(op, group)
