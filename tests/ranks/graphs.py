"""Ops over time inside of other things, on pieces of different lengths: what hangs, or is wrong, where collectives run
in another order on another rank."""

import gc
import re

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map

import loader
from loader import parallel
from loader.nn import CausalConv

LENGTHS = (9, 2, 0, 5)


def run(group, *names):
    """`{case: what is wrong}`, of all cases but `compiled`, or of those named."""
    mx.random.seed(0)  # weights are alike on every rank
    return {name: CASES[name](group) for name in names or [name for name in CASES if name != "compiled"]}


def pieces(group):
    """The length of each rank's piece."""
    return LENGTHS[: group.size()]


def piece(x, group):
    lengths = pieces(group)
    start = sum(lengths[: group.rank()])
    return x[:, start : start + lengths[group.rank()]]


def normal(group, *shape, seed=0):
    rng = np.random.default_rng(seed)
    return mx.array(rng.normal(size=(2, sum(pieces(group)), *shape)).astype(np.float32))


def differs(got, want, bound=1e-5):
    """What is wrong with pairs of arrays, by the rms of what differs over that of what is expected."""
    mx.eval(got)  # empty ones too, whose collectives the other ranks wait for
    wrong = []
    for i, (x, y) in enumerate(zip(got, want, strict=True)):
        error = mx.sqrt(((x - y) ** 2).sum() / mx.maximum((y**2).sum(), 1e-6)).item() if x.size else 0.0
        wrong += [f"{i}: {error:.1e}"] if x.shape != y.shape or not error <= bound else []
    return wrong


def differentiated(function, *arrays):
    return mx.grad(function, argnums=tuple(range(len(arrays))))(*arrays)


def branches(group):
    """Two ops that do not depend on each other and one on both; ranks evaluate what they get in different orders."""
    a, b = mx.sigmoid(normal(group, 8)), normal(group, 8, seed=1)
    scan, total = (loader.get(name) for name in ("rglru", "associative_scan"))
    over = [parallel.over_time(op, group) for op in (scan, total)]

    def outputs(scan, total, a, b):
        left, right = scan(a, b), total(b)
        return left, right, scan(mx.sigmoid(right), left)

    def loss(scan, total):
        return lambda a, b: sum((i + 1) * y.sum() for i, y in enumerate(outputs(scan, total, a, b)))

    order = 1 if group.rank() % 2 else -1
    got = outputs(*over, piece(a, group), piece(b, group))
    for y in got[::order]:
        mx.eval(y)
    gradients = differentiated(loss(*over), piece(a, group), piece(b, group))
    for y in gradients[::order]:
        mx.eval(y)
    want = [piece(y, group) for y in (*outputs(scan, total, a, b), *differentiated(loss(scan, total), a, b))]
    return differs([*got, *gradients], want)


def unused(group):
    """Outputs alone, and a loss of the final state or of the outputs alone: a rank that reads nothing of a collective
    runs it all the same, before the next."""
    a, b = mx.sigmoid(normal(group, 8)), normal(group, 8, seed=1)
    scan = loader.get("rglru")
    y = parallel.over_time(scan, group)(piece(a, group), piece(b, group))
    mx.eval(y)
    wrong = differs([y, parallel.add_up(y.sum(), group)], [piece(scan(a, b), group), scan(a, b).sum()])
    for pick in (0, 1):
        scale = 1 if pick == 0 else 1 / group.size()  # every rank has the final state, and losses add up

        def loss(op, scale, pick=pick):
            return lambda a, b: scale * (op(a, b, return_state=True)[pick] * 3).sum()

        got = differentiated(loss(parallel.over_time(scan, group), scale), piece(a, group), piece(b, group))
        want = differentiated(loss(scan, 1), a, b)
        wrong += differs(got, [piece(x, group) for x in want])
    return wrong


class Mixer(nn.Module):
    """A convolution, gla and a scan, with a matrix before each."""

    def __init__(self, group=None):
        super().__init__()
        self.enter, self.gates, self.conv = nn.Linear(6, 24), nn.Linear(8, 10), CausalConv(8, 4)
        self._group = group

    def op(self, name):
        op = loader.get(name)
        return op if self._group is None else parallel.over_time(op, self._group)

    def __call__(self, x, reset):
        q, k, v = mx.split(self.enter(x), 3, axis=-1)
        past = None if self._group is None else parallel.halo(v, 3, self._group, reset=reset)
        v, _ = self.conv(v, past, reset)
        g, a = mx.split(mx.sigmoid(self.gates(v)), [2], axis=-1)
        q, k, v = (mx.unflatten(each, -1, (2, 4)) for each in (q, k, v))
        o = self.op("gla")(q, k, v, g, reset=reset)
        return self.op("rglru")(a, mx.flatten(o, -2, -1), reset=reset)


def module(group):
    """A module's gradients, checkpointed and not: each rank's part adds up to those of one process."""
    x, reset = normal(group, 6), mx.array(np.random.default_rng(4).random((2, sum(pieces(group)))) < 0.2)
    model = Mixer()
    mine = Mixer(group)
    mine.update(model.parameters())
    want = nn.value_and_grad(model, lambda x: (model(x, reset) ** 2).sum())(x)

    def loss(x):
        return (mine(x, piece(reset, group)) ** 2).sum()

    wrong = []
    for function in (loss, nn.utils.checkpoint(mine, loss)):
        got = nn.value_and_grad(mine, function)(piece(x, group))
        got = tree_map(lambda y: mx.distributed.all_sum(y, group=group), got)
        wrong += differs(*([y for _, y in tree_flatten(each)] for each in (got, want)))
    return wrong


def compiled(group):
    """mx.compile, traced for one shape and then for another, of two steps a rank: its C++ compiler takes its time."""
    scan = loader.get("rglru")
    over = parallel.over_time(scan, group)

    def loss(op):
        return lambda a, b: (op(a, b) ** 2).sum()

    def step(a, b):
        parallel.forget()
        gradients = mx.grad(loss(over), argnums=(0, 1))(a, b)
        parallel.forget()
        return gradients

    step, wrong = mx.compile(step), []
    for width in (4, 7):
        a, b = mx.random.uniform(shape=(2, 2 * group.size(), width)), mx.random.normal((2, 2 * group.size(), width))
        got = step(parallel.shard(a, group), parallel.shard(b, group))
        want = mx.grad(loss(scan), argnums=(0, 1))(a, b)
        wrong += differs(got, [parallel.shard(x, group) for x in want])
    got = over(parallel.shard(a, group), parallel.shard(b, group))
    return wrong + differs([got], [parallel.shard(scan(a, b), group)])


def passed_on(group):
    """The final state of one call is the initial state of the next, on every rank."""
    a, b = mx.sigmoid(normal(group, 8)), normal(group, 8, seed=1)
    scan = loader.get("rglru")

    def loss(op):
        def of(a, b):
            y, state = op(a, b, return_state=True)
            return (y + 2 * op(b, a, initial_state=state)).sum()

        return of

    got = differentiated(loss(parallel.over_time(scan, group)), piece(a, group), piece(b, group))
    return differs(got, [piece(x, group) for x in differentiated(loss(scan), a, b)])


def asked_by_some(group):
    """A rank that asks for the final state while others do not sees that there is none, and y is right."""
    a, b = mx.sigmoid(normal(group, 8)), normal(group, 8, seed=1)
    scan = loader.get("rglru")
    found = parallel.over_time(scan, group)(piece(a, group), piece(b, group), return_state=group.rank() == 0)
    y, state = found if group.rank() == 0 else (found, mx.array(mx.nan))
    return differs([y], [piece(scan(a, b), group)]) + ([] if mx.isnan(state).all() else ["a final state"])


def put_together(group):
    """`gather` of pieces of different lengths, `add_up`, and their gradients; `shard` and `gather` undo each other."""
    x, w = normal(group, 3), normal(group, 3, seed=1)
    whole = parallel.gather(piece(x, group), group)
    # Each rank's loss weighs the whole by its own number, so that the gradient is of the sum of the numbers.
    gradient = mx.grad(lambda x: ((group.rank() + 1) * w * parallel.gather(x, group) ** 2).sum())(piece(x, group))
    numbers = group.size() * (group.size() + 1) // 2
    added = mx.grad(lambda w: (group.rank() + 1) * (parallel.add_up([w, 2 * w], group)[1] * x).sum())(w)
    shards = [parallel.gather(parallel.shard(x, group, axis), group, axis) for axis in (0, 1, 2)]
    want = [x, piece(2 * numbers * w * x, group), x, x, x, 2 * numbers * x]
    return differs([whole, gradient, *shards, added], want)


def halos(group):
    """What a convolution sees of the pieces before, its gradient, and resets in between."""
    x, w = normal(group, 3), normal(group, 3, seed=1)
    reset = mx.array(np.random.default_rng(2).random((2, sum(pieces(group)))) < 0.15)
    conv, wrong = CausalConv(3, 5), []

    def loss(x, w, past, reset):
        return (conv(x, past, reset)[0] * w).sum()

    for given in (None, reset):
        mine = None if given is None else piece(given, group)

        def over(x, mine=mine):
            return loss(x, piece(w, group), parallel.halo(x, 4, group, reset=mine), mine)

        start = sum(pieces(group)[: group.rank()])
        _, past = conv(x[:, :start], None, None if given is None else given[:, :start])
        got = [parallel.halo(piece(x, group), 4, group, reset=mine), mx.grad(over)(piece(x, group))]
        want = mx.grad(lambda x, given=given: loss(x, w, None, given))(x)
        wrong += differs(got, [past, piece(want, group)])
    return wrong


def nothing_stays(group):
    """Steps take no memory with them, evaluated or dropped."""
    a, b = mx.sigmoid(normal(group, 8)), normal(group, 8, seed=1)
    scan, used = parallel.over_time(loader.get("rglru"), group), []

    def loss(b):
        y = scan(piece(a, group), scan(piece(a, group), b))
        return (parallel.halo(y, 2, group) ** 2).sum() + parallel.add_up(y.sum(), group)

    for _ in range(6):
        mx.eval(mx.grad(loss)(piece(b, group)))
        mx.grad(loss)(piece(b, group))
        gc.collect()
        used.append(mx.get_active_memory())
    return [] if used[2] == used[-1] else [f"{used} bytes"]


def refusals(group):
    """What has no derivative says so, by name."""
    op, x = parallel.over_time(loader.get("rglru"), group), mx.ones((2, 3, 4))

    def loss(b):
        return (op(x, b) ** 2).sum()

    calls = {
        # MLX asks the graph inside first, with an error of its own.
        r"has no forward-mode|::jvp\] Not implemented": lambda: mx.jvp(lambda b: op(x, b), [x], [x]),
        r"^\[rglru over time\] has no second-order": lambda: mx.grad(lambda b: mx.grad(loss)(b).sum())(x),
        r"has no vmap; fold|::vmap\] Not implemented": lambda: mx.vmap(lambda b: op(x, b))(x[None]),
    }
    wrong = []
    for what, call in calls.items():
        try:
            call()
            wrong.append(f"{what}: nothing")
        except (NotImplementedError, ValueError) as error:
            wrong += [] if re.search(what, str(error)) else [f"{what}: {error}"]
    return wrong


CASES = {
    f.__name__: f
    for f in (
        branches,
        unused,
        module,
        compiled,
        passed_on,
        asked_by_some,
        put_together,
        halos,
        nothing_stays,
        refusals,
    )
}
