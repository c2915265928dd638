"""The passes of an op on one rank's piece of time, each as far as it is asked for."""

import mlx.core as mx

from ..spec import STATE

START, END = "initial_state", f"grad_{STATE}"


class Piece:
    """An op on the inputs of one rank: whole passes, the final state alone, or the adjoint of the initial state alone.

    `inputs`, which has an `initial_state`, holds arrays by name, and `options` the values of the op's options. A step
    that has run on the same arrays does not run again: the second pass over a piece starts where the state enters.
    """

    def __init__(self, op, inputs, options):
        self.op, self.inputs, self._values = op, inputs, options
        self._done = []

    @property
    def options(self):
        """The options by name."""
        return {option.name: value for option, value in zip(self.op.spec.options, self._values)}

    def final_state(self, **changed):
        """The state after the piece, float32, with some of the inputs `changed`."""
        inputs = {**self.inputs, **changed}
        made = self._plan(inputs)
        if made is None:
            return self.op.call_reference(inputs, self._values)[self._state]
        return self._run(made, "forward", self.op.arrays(inputs, self._values), (STATE,))[STATE]

    def forward(self, state):
        """The outputs from the state that enters, followed by what backward reads."""
        inputs = {**self.inputs, START: state}
        made = self._plan(inputs)
        if made is None:
            return tuple(self.op.call_reference(inputs, self._values))
        arrays = self._run(made, "forward", self.op.arrays(inputs, self._values))
        return tuple(arrays[array.name] for array in made.results)

    def adjoint(self, results, cotangents):
        """The gradient of the state that entered; `results` are those of `forward`."""
        made, arrays = self._cotangents(results, cotangents)
        if made is None:
            return self._reference_gradients([START], cotangents)[START]
        return self._run(made, "backward", arrays, (f"grad_{START}",))[f"grad_{START}"]

    def backward(self, results, cotangents):
        """The gradients of the inputs that have one, by name."""
        names = [a.name for a in self.op.spec.inputs if a.name in self.inputs and a.differentiable]
        made, arrays = self._cotangents(results, cotangents)
        if made is None:
            return self._reference_gradients(names, cotangents)
        self._run(made, "backward", arrays)
        return {name: arrays[f"grad_{name}"].astype(self.inputs[name].dtype) for name in names}

    @property
    def _state(self):
        return [array.name for array in self.op.spec.outputs].index(STATE)

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
        return made, arrays

    def _run(self, made, which, arrays, names=None):
        """Run a pass, or what it takes for `names`; `arrays` gets what it makes."""
        for step in self.op.steps(made, which, names):
            read = [arrays[name] for name in step.reads]
            outputs = next(
                (outputs for known, same, outputs in self._done if known == step and _alike(same, read)), None
            )
            if outputs is None:
                step.run(arrays)
                self._done.append((step, read, [arrays[name] for name in step.makes]))
            else:
                arrays.update(zip(step.makes, outputs))
        return arrays

    def _reference_gradients(self, names, cotangents):
        def function(*arrays):
            return self.op.call_reference({**self.inputs, **dict(zip(names, arrays))}, self._values)

        return dict(zip(names, mx.vjp(function, [self.inputs[name] for name in names], list(cotangents))[1]))


def _alike(arrays, others):
    """Whether these are the same arrays, one by one."""
    return all(x is y for x, y in zip(arrays, others))
