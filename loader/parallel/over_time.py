"""An op over a sequence whose time is cut between the ranks of a group."""

from functools import partial
from typing import Any

import mlx.core as mx

from ..op import Op
from ..spec import STATE
from ..transforms import refusal, several
from . import transitions
from .collectives import all_gather, choose, pack, tied, unpack
from .piece import START, Piece


class OverTime:
    """The result of `over_time`: call it as the op, with this rank's piece of the time axis."""

    def __init__(self, op: Op, group: mx.distributed.Group | None = None) -> None:
        transitions.find(op.spec, {option.name: option.default for option in op.spec.options})
        self.op, self.group = op, choose(group)
        self.__name__ = self.__qualname__ = f"{op.spec.name} over time"

    def __call__(self, *arrays: mx.array, return_state: bool = False, **keywords: Any) -> Any:
        """Run the op on this rank's piece of each input, of any length; returns its piece of the outputs.

        The first rank's `initial_state` is used. With `return_state=True` every rank gets the state after the last
        step of the whole sequence. Raises the op's errors.
        """
        if self.group.size() == 1:
            return self.op(*arrays, return_state=return_state, **keywords)
        inputs, options = self.op.read(arrays, keywords)
        call = _Call(self.op, self.group, inputs, options, return_state)
        outputs = call.function()(*inputs.values())[: len(self.op.spec.outputs)]
        return self.op.present(outputs, return_state)

    def __repr__(self):
        return f"<loader.parallel.over_time({self.op.spec.name}), rank {self.group.rank()} of {self.group.size()}>"


class _Call:
    """One call as an mx.custom_function, because autodiff through MLX's own collectives is wrong."""

    def __init__(self, op, group, inputs, options, return_state):
        self.op, self.group, self.names, self.options = op, group, tuple(inputs), options
        self.state = op.plan(inputs, options).outputs[op.spec.at_state]
        self.now = not op.engine.LAZY and op.engine.ready(list(inputs.values()))
        values = {option.name: value for option, value in zip(op.spec.options, options)}
        self.transition = transitions.find(op.spec, values)
        self.ranks = range(group.size())[::-1] if self.transition.backwards else range(group.size())
        self.place = self.ranks.index(group.rank())
        self.return_state = return_state
        # Without the final state nobody needs what leaves the last piece, nor does anything come back to it.
        self.ends = self.place == group.size() - 1 and not return_state

    def function(self):
        """The call as a function of the inputs called `names`: the outputs, then what backward takes."""
        count = len(self.op.spec.outputs)

        def gradient(kept, primals, cotangents, results):
            cotangents = [x.astype(y.dtype) for x, y in zip(cotangents[:count], results)]
            backward = self._custom(self._backward, self._refusal("second-order gradients"))
            return tuple(backward(*several(primals), *results[count:], *cotangents))

        return self._custom(self._forward, gradient)

    def _custom(self, function, gradient):
        """An mx.custom_function. Both parts first take a list of arrays that live as long as the graph does, which
        holds `gradient`: so the next collective finds the one of `function`."""
        kept = []
        made = mx.custom_function(partial(function, kept))
        made.vjp(partial(gradient, kept))
        made.jvp(partial(self._refusal("forward-mode derivatives (jvp)"), kept))
        made.vmap(partial(self._refusal("vmap; fold the axis into the batch"), kept))
        return made

    def _forward(self, kept, *arrays):
        inputs = dict(zip(self.names, arrays))
        start = self._start(inputs)
        piece = Piece(self.op, {**inputs, START: start}, self.options)
        pieces = self._gather(kept, [*self._acts(piece), self._carries(inputs)])
        states = [pieces[0][0]]
        for final, factor, carries in pieces[1:]:
            states.append(self._leaving(states[-1], final, factor, carries))
        entering = start if self.place == 0 else states[self.place - 1]
        results = piece.forward(entering, self._waits(pieces[0][:1]))
        outputs = [states[-1] if a.name == STATE else y for a, y in zip(self.op.spec.outputs, results)]
        # MLX evaluates all results of a call or none, so that the collective runs where y does not depend on it.
        return (*outputs, *results, entering, *(x for each in pieces for x in each))

    def _backward(self, kept, *arrays):
        count, size = len(self.op.spec.outputs), 3 * self.group.size()
        primals, rest, cotangents = arrays[: len(self.names)], arrays[len(self.names) : -count], arrays[-count:]
        inputs = dict(zip(self.names, primals))
        results, entering, rows = rest[: -size - 1], rest[-size - 1], rest[-size:]
        pieces = [rows[i : i + 3] for i in range(0, size, 3)]
        piece = Piece(self.op, {**inputs, START: entering}, self.options, again=self.place > 0 and not self.now)
        last = self.op.spec.at_state
        nothing = mx.zeros_like(entering)
        within = [nothing if i == last else x for i, x in enumerate(cotangents)]
        adjoint = piece.entering if self.ends else piece.adjoint
        own = nothing if self.place == 0 else adjoint(results, within)
        asked = self._gather(kept, [own, cotangents[last]])
        if not self.ends:
            within[last] = self._adjoint(pieces, asked)
        gradients = piece.backward(results, within, self._waits(asked[0][:1]))
        if self.place:
            gradients[START] = nothing
        gradients = [gradients.get(name, mx.zeros_like(x)) for name, x in zip(self.names, primals)]
        return tuple(tied(x, kept) for x in gradients)  # nothing of an empty piece depends on the adjoint

    def _start(self, inputs):
        """The state before the first step on the first rank, and one that nothing has entered on the others."""
        if self.place == 0 and START in inputs:
            return inputs[START]
        return mx.full(self.state, self.transition.neutral, mx.float32)

    def _acts(self, piece):
        """How the piece acts on a state, for the other ranks: what leaves it where nothing enters, and the transition.

        Nobody needs the first piece's transition, nor anything of one that `ends`: NaN shows a rank that does.
        """
        if self.place and not self.ends:
            carries = self._carries(piece.inputs)
            return piece.final_state(), mx.where(carries, self.transition.of(piece), 0)
        shape = self.transition.shape(self.state) if self.transition.shape else self.transition.of(piece).shape
        return (mx.full(self.state, mx.nan) if self.ends else piece.leaving()), mx.full(shape, mx.nan)

    def _waits(self, arrays):
        """What the rest of a pass waits for, so that a lazy engine does not put it before the collective."""
        return () if self.now else arrays

    def _carries(self, inputs):
        """Whether a row's state reaches the end of the piece, `[B, 1, ...]` bool: no reset is in the way."""
        shape = (self.state[0], *(1 for _ in self.state[1:]))
        return ~inputs["reset"].any(axis=1).reshape(shape) if "reset" in inputs else mx.ones(shape, mx.bool_)

    def _leaving(self, state, final, transition, carries):
        """What leaves a piece that `state` enters."""
        carries = carries != 0
        state = mx.where(carries, state, self.transition.neutral)
        return mx.where(carries, self.transition.advance(state, transition, final), final)

    def _adjoint(self, pieces, rows):
        """The adjoint of the state that leaves this rank: from the final state, back through the pieces after it."""
        adjoint, entering, last = sum(cotangent for _, cotangent in rows), [pieces[0][0]], len(pieces) - 1
        for final, transition, carries in pieces[1:]:
            entering.append(self._leaving(entering[-1], final, transition, carries))
        if not self.return_state:
            adjoint, last = rows[last][0], last - 1
        for i in range(last, self.place, -1):
            final, transition, carries = pieces[i]
            before = self.transition.retreat(adjoint, entering[i - 1], transition, final)
            adjoint = rows[i][0] + mx.where(carries != 0, before, 0)
        return adjoint

    def _gather(self, kept, arrays):
        """These arrays of every rank, in the order of time: one collective, whatever the length of the pieces."""
        try:
            gathered = all_gather(pack(arrays), self.group, self.now)
        except RuntimeError as error:
            raise RuntimeError(
                f"[{self.op.spec.name} over time] rank {self.group.rank()} of {self.group.size()} expected every rank "
                f"to come to the same collective but got: {error}. Look for the first error of the other ranks."
            ) from error
        kept.append(gathered)
        return [unpack(gathered[rank], [x.shape for x in arrays]) for rank in self.ranks]

    def _refusal(self, what):
        return refusal(f"[{self.op.spec.name} over time] has no {what}.")
