"""The passes of an op on one rank's piece of time, each as far as it is asked for."""

from .. import plan
from ..spec import INITIAL, STATE
from .collectives import behind

START, BEGIN, LAST = INITIAL, f"grad_{INITIAL}", f"grad_{STATE}"


class Piece:
    """An op on the inputs of one rank: whole passes, the final state alone, or the adjoint of the initial state alone.

    `inputs`, which has an `initial_state`, holds arrays by name, and `options` the values of the op's options. A step
    that has run on the same arrays does not run again: a whole pass goes on from what `leaving`, `stateless`,
    `entering` and `without_adjoint` ran of it, and shares with the other two what does not depend on the state. With
    `again` the backward passes recompute the arrays that `adjoint` reads and no state enters: MLX evaluates all results
    of forward together, so the saved ones wait for the state.
    """

    def __init__(self, op, inputs, options, again=False):
        self.op, self.inputs, self._values, self._again = op, inputs, options, again
        self._done = []

    @property
    def options(self):
        """The options by name."""
        return {option.name: value for option, value in zip(self.op.spec.options, self._values)}

    def final_state(self, **changed):
        """The state after the piece, float32, with some of the inputs `changed`, and nothing else."""
        inputs = {**self.inputs, **changed}
        made = self._plan(inputs)
        if made is None:
            return self.op.call_reference(inputs, self._values)[self.op.spec.at_state]
        return self._run(self.op.steps(made, "state"), self.op.arrays(inputs, self._values))[STATE]

    def beside(self, name):
        """The array `name` that the steps of `final_state` make too, or None."""
        made = self._plan(self.inputs)
        steps = () if made is None else self.op.steps(made, "state")
        if not any(name in step.makes for step in steps):
            return None
        return self._run(steps, self.op.arrays(self.inputs, self._values))[name]

    def leaving(self):
        """The state after the piece, float32, by the first steps of `forward` from the same state."""
        made = self._plan(self.inputs)
        if made is None:
            return self.final_state()
        steps = plan.needed(self.op.steps(made, "forward"), STATE)
        return self._run(steps, self.op.arrays(self.inputs, self._values))[STATE]

    def stateless(self):
        """What the first steps of `forward` make that do not depend on the state that enters."""
        made, arrays = self._plan(self.inputs), self.op.arrays(self.inputs, self._values)
        return [] if made is None else self._make(plan.independent(self.op.steps(made, "forward"), START), arrays)

    def forward(self, state, after=()):
        """The outputs from the state that enters, followed by what backward reads; steps still to run wait for the
        arrays `after`."""
        inputs = {**self.inputs, START: state}
        made = self._plan(inputs)
        if made is None:
            return tuple(self.op.call_reference(inputs, self._values))
        arrays = self._run(self.op.steps(made, "forward"), self.op.arrays(inputs, self._values), after)
        return tuple(arrays[array.name] for array in made.results)

    def adjoint(self, results, cotangents):
        """The gradient of the state that entered, and nothing else; `results` are those of `forward`."""
        made, arrays = self._cotangents(results, cotangents)
        if made is None:
            return self.op.reference_gradients(self.inputs, self._values, cotangents)[START]
        return self._run(self.op.steps(made, "adjoint"), arrays)[BEGIN]

    def entering(self, results, cotangents):
        """The gradient of the state that entered, by the first steps of `backward` from the same cotangents."""
        made, arrays = self._cotangents(results, cotangents)
        if made is None:
            return self.adjoint(results, cotangents)
        return self._run(plan.needed(self.op.steps(made, "backward"), BEGIN), arrays)[BEGIN]

    def without_adjoint(self, results, cotangents):
        """What the first steps of `backward` make that do not depend on the adjoint of the final state."""
        made, arrays = self._cotangents(results, cotangents)
        return [] if made is None else self._make(plan.independent(self.op.steps(made, "backward"), LAST), arrays)

    def backward(self, results, cotangents, after=()):
        """The gradients of the inputs that have one, by name; steps still to run wait for the arrays `after`."""
        made, arrays = self._cotangents(results, cotangents)
        if made is None:
            return self.op.reference_gradients(self.inputs, self._values, cotangents)
        self._run(self.op.steps(made, "backward"), arrays, after)
        names = self.op.spec.differentiated(self.inputs)
        return {name: arrays[f"grad_{name}"].astype(self.inputs[name].dtype) for name in names}

    def _plan(self, inputs):
        """The plan of a call whose kernels can run now, else None."""
        made = self.op.plan(inputs, self._values)
        return made if not made.empty and self.op.engine.ready(list(inputs.values())) else None

    def _cotangents(self, results, cotangents):
        """The plan of the piece and what its backward pass reads, by name."""
        made, arrays = self._plan(self.inputs), self.op.arrays(self.inputs, self._values)
        if made is None or not self.op.engine.ready([*results, *cotangents]):
            return None, arrays
        arrays.update((array.name, x) for array, x in zip(made.results, results))
        arrays.update((f"grad_{array.name}", x) for array, x in zip(self.op.spec.outputs, cotangents))
        return made, self._run(self._read_again(made) if self._again else (), arrays)

    def _read_again(self, made):
        """The steps of `forward` that read no state and make what those of `adjoint` read."""
        read = {name for step in self.op.steps(made, "adjoint") for name in step.reads}
        return [x for x in plan.independent(self.op.steps(made, "forward"), START) if read.intersection(x.makes)]

    def _make(self, steps, arrays):
        """Run steps of a pass; returns what they make."""
        self._run(steps, arrays)
        return [arrays[name] for step in steps for name in step.makes]

    def _run(self, steps, arrays, after=()):
        """Run steps of a pass; `arrays` gets what they make. A step that reads nothing of one that waits for `after`
        waits too: by the smallest array it reads, since that copies it."""
        waiting = set()
        for step in steps:
            read = [arrays[name] for name in step.reads]
            outputs = next((made for known, same, made in self._done if _alike(same, read) and known == step), None)
            if outputs is None:
                smallest = min(step.reads, key=lambda name: arrays[name].nbytes)
                waits = () if waiting.intersection(step.reads) else after
                given = {**arrays, smallest: behind(arrays[smallest], waits)}
                step.run(given)
                outputs = [given[name] for name in step.makes]
                waiting.update(step.makes)
                self._done.append((step, read, outputs))
            arrays.update(zip(step.makes, outputs))
        return arrays


def _alike(arrays, others):
    """Whether these are the same arrays, one by one."""
    return all(x is y for x, y in zip(arrays, others))
