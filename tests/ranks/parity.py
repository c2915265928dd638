"""Every op over time against the same op in one process: outputs, states and gradients of every input."""

import mlx.core as mx
import numpy as np
from oracle import BOUNDS, draw, dtype_mixes, rank_sets

import loader
from loader import parallel
from loader.operators import OPERATORS
from loader.parallel.transitions import UNSPLIT

# With fewer sequences the flags of a step are below 8 elements, and each kernel has one more program for them.
BATCH = 8


def run(group, how):
    """`{case: [what is wrong]}`. "reference" runs every dtype, operator and way to cut; "kernels", where programs have
    to be compiled, float32 alone, and one operator of associative_scan."""
    made = dict(cases(group, how))
    if how != "reference":
        # Ranks compile from either end, so that none waits for another: MLX's ring takes a core to wait.
        for case in list(made.values())[:: -1 if group.rank() % 2 else 1]:
            case.alone()
    return {label: case.problems() for label, case in made.items()}


def cases(group, how):
    """(label, `Case`) of every op."""
    everything = how == "reference"
    for name in (name for name in loader.names() if name not in UNSPLIT):
        op = loader.get(name)
        for number, (ranks, options) in enumerate(calls(op, how)):
            optional = [array.name for array in op.spec.optional]
            for cut, lengths in cuts(group.size(), everything).items():
                for present in (0, 1) if everything and cut == "unequal" else (1,):
                    label = f"{name} {ranks or ''} {options or ''} {cut} {'all' if present else 'none'}"
                    yield label, Case(group, op, ranks, options, lengths, optional if present else (), {})
                if cut in ("unequal", "of several chunks"):
                    label = f"{name} {ranks or ''} {options or ''} {cut} without the final state"
                    yield label, Case(group, op, ranks, options, lengths, optional, {}, state=False)
            for dtypes in dtype_mixes(op)[1:] if everything and number == 0 and group.size() < 4 else ():
                lengths = cuts(group.size(), True)["unequal"]
                yield f"{name} {'-'.join(dtypes.values())}", Case(group, op, ranks, options, lengths, optional, dtypes)


def calls(op, how):
    """(ranks, options) of the calls to test: every shape of an input, for "reference" every operator both ways."""
    if op.spec.name != "associative_scan":
        return [(ranks, {}) for ranks in rank_sets(op)]
    both = [{"operator": i, "reverse": back} for i in range(len(OPERATORS)) for back in (False, True)]
    return [({}, options) for options in (both[-1:] if how == "kernels" else both)]


def cuts(size, everything):
    """Lengths of the pieces, by name."""
    found = {"unequal": [(7, 0, 12, 4)[(i + 1) % 4] for i in range(size)]}
    if everything:
        found["the first empty"] = [0, *(3 + 5 * i for i in range(size - 2)), 6]
        found["one step each"] = [1] * size
    else:
        found["of several chunks"] = [70 - 33 * (i % 2) for i in range(size)]
        found["one step each"] = [1] * size
    return found


class Case:
    """One call of an op, its inputs on every rank, and what this rank gets of it."""

    def __init__(self, group, op, ranks, options, lengths, present, dtypes, state=True):
        self.group, self.op, self.options, self.lengths, self.state = group, op, options, lengths, state
        sizes = {"B": BATCH, "L": sum(lengths), **op.spec.examples[-1]}
        self.inputs = draw(op, sizes, present, dtypes, ranks=ranks)
        if present:
            self.inputs["reset"] = self.resets(np.random.default_rng(len(lengths)))
        self.names = [a.name for a in op.spec.inputs if a.name in self.inputs and a.differentiable]
        self.axes = {a.name: a.axis("L") for a in op.spec.inputs}

    def resets(self, rng):
        """At random, and in the first row at the borders: the first step of a piece, the last, neither in turn."""
        reset, border = rng.random((BATCH, sum(self.lengths))) < 0.04, 0
        for i, length in enumerate(self.lengths):
            if length:
                reset[0, border : border + length] = False
                reset[0, border + (0, length - 1, 0)[i % 3]] = i % 3 < 2
            border += length
        return mx.array(reset)

    def piece(self, x, axis):
        start = sum(self.lengths[: self.group.rank()])
        return mx.split(x, [start, start + self.lengths[self.group.rank()]], axis=axis)[1]

    def mine(self, name, x):
        return x if self.axes[name] is None else self.piece(x, self.axes[name])

    def differentiated(self, function, inputs, cotangents):
        fixed = {name: x for name, x in inputs.items() if name not in self.names}

        def called(*arrays):
            given = {**fixed, **dict(zip(self.names, arrays))}
            positional = [given.pop(array.name) for array in self.op.spec.required]
            return function(*positional, return_state=self.state, **given, **self.options)

        results = mx.vjp(called, [inputs[name] for name in self.names], cotangents)
        mx.eval(results)
        return results

    def alone(self):
        """(cotangents of y and of the final state, the latter on each rank; outputs; gradients) of one process."""
        rng = np.random.default_rng(1)
        values = tuple(self.options.get(option.name, option.default) for option in self.op.spec.options)
        shapes = self.op.plan(self.inputs, values).outputs
        y, states = (
            rng.normal(size=(n, *shape)).astype(np.float32) for n, shape in zip((1, len(self.lengths)), shapes)
        )
        y = mx.array(y[0]).astype(self.inputs[self.op.spec.outputs[0].like].dtype)
        return y, states, *self.differentiated(self.op, self.inputs, self.asked(y, states.sum(axis=0)))

    def asked(self, y, state):
        """The cotangents of what a call returns."""
        return [y, mx.array(state)] if self.state else [y]

    def problems(self):
        """What differs from one process by more than the bound of its dtype."""
        y, states, outputs, gradients = self.alone()
        inputs = {name: self.mine(name, x) for name, x in self.inputs.items()}
        if "initial_state" in inputs and self.group.rank() != self.begins():
            inputs["initial_state"] = mx.full(inputs["initial_state"].shape, 77.0)
        cotangents = self.asked(self.piece(y, 1), states[self.group.rank()])
        got, made = self.differentiated(parallel.over_time(self.op, self.group), inputs, cotangents)
        wrong = [self.differs("y", got[0], outputs[0], self.piece(outputs[0], 1))]
        wrong += [self.differs("final_state", got[1], outputs[1], outputs[1])] if self.state else []
        for name, x, want in zip(self.names, made, gradients):
            part = self.mine(name, want)
            if name == "initial_state":
                part = part if self.group.rank() == self.begins() else mx.zeros_like(part)
            elif self.axes[name] is None:
                x = mx.distributed.all_sum(x.astype(mx.float32), group=self.group).astype(x.dtype)
            wrong.append(self.differs(f"grad_{name}", x, want, part))
        return [each for each in wrong if each]

    def begins(self):
        """The rank that has the first step."""
        return len(self.lengths) - 1 if self.options.get("reverse") else 0

    def differs(self, what, got, whole, want):
        """A sentence where `got` is not `want`, a part of `whole`, in shape, dtype and value."""
        if (got.shape, got.dtype) != (want.shape, want.dtype):
            return f"{what}: {got.shape} {got.dtype} instead of {want.shape} {want.dtype}"
        bound = BOUNDS[got.dtype]
        got, want, whole = (np.array(x.astype(mx.float32), dtype=np.float64) for x in (got, want, whole))
        scale = np.sqrt(np.mean(whole**2)) or 1.0
        error = np.sqrt(np.mean((got - want) ** 2)) / scale if got.size else 0.0
        return "" if error <= bound else f"{what}: {error:.1e}"
