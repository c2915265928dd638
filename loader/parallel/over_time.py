"""An op over a sequence whose time is cut between the ranks of a group."""

from functools import partial
from typing import Any

import mlx.core as mx

from ..op import Op
from ..spec import STATE
from ..transforms import refusal, several
from . import transitions
from .collectives import Sent, blank, choose, send
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
        self.ones = (self.state[0], *(1 for _ in self.state[1:]))  # the shape of one number a row of the batch
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
        acts = self._acts(piece)
        self.shapes = self._shapes(piece, acts)
        sent = self._send(kept, acts, self.shapes, piece.stateless() if self.ends else [])
        states = self._states(sent, self.group.size() if self.return_state else self.place)
        entering = states[self.place - 1] if self.place else start
        results = piece.forward(entering, self._waits(sent, self.ends))
        whole = {STATE: states[-1]} if self.return_state else {}
        outputs = [whole.get(a.name, y) for a, y in zip(self.op.spec.outputs, results)]
        # MLX evaluates all results of a call or none, so that the collective runs where y does not depend on it.
        return (*outputs, *results, entering, sent.rows)

    def _backward(self, kept, *arrays):
        count, last = len(self.op.spec.outputs), self.op.spec.at_state
        primals, rest, cotangents = arrays[: len(self.names)], arrays[len(self.names) : -count], arrays[-count:]
        inputs = dict(zip(self.names, primals))
        *results, entering, rows = rest
        piece = Piece(self.op, {**inputs, START: entering}, self.options, again=self.place > 0 and not self.now)
        nothing = blank(self.state, 0.0)
        within = [nothing if i == last else x for i, x in enumerate(cotangents)]
        adjoint = piece.entering if self.ends else piece.adjoint
        own = adjoint(results, within) if self.place else nothing
        told = [own, cotangents[last]] if self.return_state else [own] if self.place else []
        asked = self._send(kept, told, [self.state] * 2, [] if self.place else piece.without_adjoint(results, within))
        if not self.ends:
            within[last] = self._adjoint(Sent(rows, self.shapes), asked)
        gradients = piece.backward(results, within, self._waits(asked, self.place == 0))
        if self.place:
            gradients[START] = nothing
        found = [gradients[name] if name in gradients else mx.zeros_like(x) for name, x in zip(self.names, primals)]
        return tuple(mx.depends(found, kept))  # nothing of an empty piece depends on the adjoint

    def _start(self, inputs):
        """The state before the first step on the first rank, and one that nothing has entered on the others."""
        if self.place == 0 and START in inputs:
            return inputs[START]
        return blank(self.state, self.transition.neutral)

    def _acts(self, piece):
        """How the piece acts on a state, for the other ranks: what leaves it where nothing enters, the transition, and
        whether a row's state reaches the end of the piece, since no reset is in the way.

        Nobody needs the first piece's transition nor, if no rank asks for the final state, anything of the last.
        """
        if self.ends:
            return []
        if not self.place:
            return [piece.leaving()]
        reset = piece.inputs.get("reset")
        if reset is None:
            return [piece.final_state(), self.transition.of(piece), mx.ones(self.ones)]
        carries = ~reset.any(axis=1).reshape(self.ones)
        return [piece.final_state(), mx.where(carries, self.transition.of(piece), 0), carries]

    def _shapes(self, piece, acts):
        """The shapes of what `_acts` is about, which are those of every rank."""
        if len(acts) == 3:
            return [x.shape for x in acts]
        by_state = self.transition.shape
        return [self.state, by_state(self.state) if by_state else self.transition.of(piece).shape, self.ones]

    def _waits(self, sent, reads):
        """What the rest of a pass waits for, so that a lazy engine does not put it before the collective: nothing where
        each step of the rest `reads` what another rank sent."""
        return () if self.now or reads else [sent.rows]

    def _states(self, sent, count):
        """The states that leave the first `count` pieces."""
        states = []
        for rank in self.ranks[:count]:
            final, transition, carries = (sent[rank, i] for i in range(3))
            states.append(self._leaving(states[-1], final, transition, carries) if states else final)
        return states

    def _leaving(self, state, final, transition, carries):
        """What leaves a piece that `state` enters."""
        carries = carries != 0
        state = mx.where(carries, state, self.transition.neutral)
        return mx.where(carries, self.transition.advance(state, transition, final), final)

    def _adjoint(self, sent, asked):
        """The adjoint of the state that leaves this rank: from the final state, back through the pieces after it."""
        if self.return_state:
            adjoint, after = sum(asked[rank, 1] for rank in self.ranks), len(self.ranks)
        else:
            adjoint, after = asked[self.ranks[-1], 0], len(self.ranks) - 1
        states = self._states(sent, after - 1)
        for place in range(self.place + 1, after)[::-1]:
            rank = self.ranks[place]
            final, transition, carries = (sent[rank, i] for i in range(3))
            before = self.transition.retreat(adjoint, states[place - 1], transition, final)
            adjoint = asked[rank, 0] + mx.where(carries != 0, before, 0)
        return adjoint

    def _send(self, kept, arrays, shapes, after):
        """What every rank sends of these shapes: one collective, whatever the length of the pieces."""
        try:
            sent = send(arrays, shapes, self.group, self.now, after)
        except RuntimeError as error:
            raise RuntimeError(
                f"[{self.op.spec.name} over time] rank {self.group.rank()} of {self.group.size()} expected every rank "
                f"to come to the same collective but got: {error}. Look for the first error of the other ranks."
            ) from error
        kept.append(sent.rows)
        return sent

    def _refusal(self, what):
        return refusal(f"[{self.op.spec.name} over time] has no {what}.")
