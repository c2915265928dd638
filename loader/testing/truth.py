"""The exact results of a call: the op's reference in float64."""

import mlx.core as mx

from ..sequences import cut
from ..spec import TIME


def truth(op, inputs, cotangents, **options):
    """(outputs, gradients of the float inputs by name) of the recurrence in float64."""
    names = op.spec.differentiated(inputs)
    fixed = {name: x for name, x in inputs.items() if name not in names}
    options = {option.name: option.default for option in op.spec.options} | options
    with mx.stream(mx.cpu):
        primals = [inputs[name].astype(mx.float64) for name in names]
        outputs, gradients = mx.vjp(
            lambda *arrays: op._reference(**dict(zip(names, arrays)), **fixed, **options),
            primals,
            [c.astype(mx.float64) for c in cotangents],
        )
        mx.eval(outputs, gradients)
    return outputs, dict(zip(names, gradients))


def truth_in_pieces(op, inputs, cotangents, piece=256):
    """As `truth`, in pieces of time, for an op that carries a state and has one other output: MLX's gradient of a slice
    has the size of the whole array, so without pieces time and memory would grow with L * L."""
    starts = list(range(0, cotangents[0].shape[1], piece))
    pieces = [cut(op, inputs, at, at + piece) for at in starts]
    state, grad_state = inputs.get("initial_state", mx.zeros(cotangents[1].shape)), cotangents[1]
    ys, gradients = [], {}
    with mx.stream(mx.cpu):
        for part in pieces:
            part["initial_state"] = state.astype(mx.float64)
            wide = {n: x if x.dtype == mx.bool_ else x.astype(mx.float64) for n, x in part.items()}
            y, state = op._reference(**wide)
            mx.eval(y, state)
            ys.append(y)
        for part, grad_y in zip(reversed(pieces), reversed(mx.split(cotangents[0], starts[1:], axis=1))):
            _, found = truth(op, part, [grad_y, grad_state])
            grad_state = found.pop("initial_state")
            for name, gradient in found.items():
                gradients.setdefault(name, []).insert(0, gradient)
        timed = {array.name for array in op.spec.inputs if array.axis(TIME) is not None}
        gradients = {n: mx.concatenate(g, axis=1) if n in timed else sum(g) for n, g in gradients.items()}
        gradients |= {"initial_state": grad_state} if "initial_state" in inputs else {}
        return [mx.concatenate(ys, axis=1), state], gradients
