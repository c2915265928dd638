"""How the steps of a piece of time act on the state that enters it, op by op.

What leaves a piece is T(S) + F, S what enters it: F is the state that leaves where nothing enters, and the transition
T depends on the gates alone. The prefixes of `associative_scan` combine S with F instead, and need no T.
"""

from dataclasses import dataclass

import mlx.core as mx

from ..operators import OPERATORS
from ..spec import STATE, TIME

_PARTS = 0xFFFFE000  # the sign, the exponent and 10 bits of the mantissa: what TF32 holds of a float32


@dataclass(frozen=True)
class Transition:
    """`of` makes T, float32 `[B, ...]`, of a `Piece`. `advance(S, T, F)` is the state that leaves, and
    `retreat(adjoint, S, T, F)` the adjoint of S by that of what leaves. `neutral` is a state that nothing has
    entered, and `backwards` says that the last rank has the first step. `shape(state)` is T's, by the state's, where
    kernels make T."""

    of: object
    advance: object
    retreat: object
    neutral: float = 0.0
    backwards: bool = False
    shape: object = None


def find(spec, options):
    """The transition of a call of an op. Raises ValueError for an op that has none."""
    if spec.name in UNSPLIT:
        raise ValueError(f"[{spec.name}] cannot run over time: {UNSPLIT[spec.name]}.")
    if spec.transition:
        return _scale(lambda piece: _product(spec, piece.inputs[spec.transition]))
    if spec.name not in TRANSITIONS:
        raise ValueError(
            f"[{spec.name}] cannot run over time: expected its manifest to name a `transition`, the gate whose product "
            "multiplies the state, or loader/parallel/transitions.py to say what else its steps do to it."
        )
    return TRANSITIONS[spec.name](options)


def _wide(x):
    return x.astype(mx.float32)


def _scale(of):
    """T is a factor that broadcasts to the state."""
    return Transition(of, lambda S, T, F: T * S + F, lambda adjoint, S, T, F: T * adjoint)


def _product(spec, gate):
    """The product of a gate over time, with an axis for each of the state's: 1 where the gate has none."""
    array = next(array for array in spec.inputs if array.name == spec.transition)
    axes = next([axis.text for axis in axes] for axes in array.shapes if len(axes) == gate.ndim)
    state = next(array for array in spec.outputs if array.name == STATE)
    sizes = dict(zip(axes, gate.shape))
    shape = [sizes.get(axis.text, 1) for axis in state.shapes[0]]
    return mx.prod(_wide(gate), axis=axes.index(TIME)).reshape(shape)


def _rotation(options):
    """T multiplies pairs by a complex number: what becomes of the pair (1, 0) where nothing is added."""

    def of(piece):
        batch, _, channels = piece.inputs["b"].shape
        one = mx.broadcast_to(_wide(mx.arange(channels) % 2 == 0), (batch, channels))
        return piece.final_state(b=mx.zeros_like(piece.inputs["b"]), initial_state=one)

    return Transition(
        of,
        lambda S, T, F: _turn(S, T, 1) + F,
        lambda adjoint, S, T, F: _turn(adjoint, T, -1),
        shape=lambda state: state,
    )


def _turn(state, by, sign):
    """Pairs `[B, D]` multiplied by pairs, or by the conjugate of those."""
    (x, y), (c, s) = ((pairs[:, ::2], pairs[:, 1::2]) for pairs in (state, by))
    return mx.stack([c * x - sign * s * y, sign * s * x + c * y], axis=-1).reshape(state.shape)


def _ssd(piece):
    total = _wide(piece.inputs["delta"]).sum(axis=1)[..., None]
    A = _wide(piece.inputs["A"])
    return mx.exp(total * (A if A.ndim == 2 else A[:, None]))[:, :, None]


def _selective_scan(piece):
    delta, bias = _wide(piece.inputs["delta"]), piece.inputs.get("delta_bias")
    delta = delta if bias is None else delta + _wide(bias)
    delta = mx.logaddexp(delta, 0) if piece.options["delta_softplus"] else delta
    return mx.exp(delta.sum(axis=1)[..., None] * _wide(piece.inputs["A"]))


def _rglru_gated(piece):
    A = _wide(piece.inputs["A"])
    return mx.power(A if A.ndim == 2 else A[:, None], _wide(piece.inputs["delta"]).sum(axis=1)[..., None])


def _short_conv(options):
    """T `[B, K - 1, K - 1]` moves the past along by the steps of the piece."""

    def of(piece):
        batch, length, _ = piece.inputs["x"].shape
        moved = mx.eye(len(piece.inputs["weight"]) - 1, k=min(length, 8))
        return mx.broadcast_to(moved, (batch, *moved.shape))

    return Transition(
        of,
        lambda S, T, F: matmul(T, S) + F,
        lambda adjoint, S, T, F: matmul(T.swapaxes(1, 2), adjoint),
    )


def _delta(options):
    """T `[B, H, Dk, Dk]` multiplies from the right: what becomes of the identity where no value is written."""

    def of(piece):
        beside = piece.beside("transition")
        if beside is not None:
            return beside
        v, keys = piece.inputs["v"], piece.inputs["k"].shape[3]
        identity = mx.broadcast_to(mx.eye(keys), (len(v), v.shape[2], keys, keys))
        return piece.final_state(v=mx.zeros((*v.shape[:3], keys), v.dtype), initial_state=identity)

    return Transition(
        of,
        lambda S, T, F: matmul(S, T) + F,
        lambda adjoint, S, T, F: matmul(adjoint, T.swapaxes(2, 3)),
        shape=lambda state: (*state[:2], state[3], state[3]),
    )


def _prefixes(options):
    """The state is combined with that of the piece alone."""
    combine, neutral = list(OPERATORS.values())[options["operator"]]

    def retreat(adjoint, S, T, F):
        return mx.vjp(lambda S: combine(S, F), [S], [adjoint])[1][0]

    return Transition(
        lambda piece: mx.zeros((len(piece.inputs["x"]), 0)),
        lambda S, T, F: combine(S, F),
        retreat,
        neutral,
        options["reverse"],
    )


def matmul(x, y):
    """x y of float32 matrices, to float32's precision on GPUs that multiply in TF32 too."""
    return x @ y if mx.default_device() == mx.Device(mx.cpu) else multiply(parts(x), parts(y))


def multiply(x, y):
    """The product of two matrices that are given by their `parts`, smallest terms first."""
    (a, b, c), (d, e, f) = x, y
    return (c @ d + b @ e + a @ f) + (b @ d + a @ e) + a @ d


def parts(x):
    """Three float32 arrays that add up to x, each of at most 11 significant bits."""
    high = _cut(x)
    middle = _cut(x - high)
    return high, middle, x - high - middle


def _cut(x):
    return (x.view(mx.uint32) & mx.array(_PARTS, mx.uint32)).view(mx.float32)


# By op, the transition of a call by the values of its options: where it is no product of a gate, which manifests name.
TRANSITIONS = {
    "rotlru": _rotation,
    "associative_scan": _prefixes,
    "short_conv": _short_conv,
    "ssd": lambda options: _scale(_ssd),
    "rglru_gated": lambda options: _scale(_rglru_gated),
    "selective_scan": lambda options: _scale(_selective_scan),
    "gated_delta": _delta,
    "dplr": _delta,
}
# Ops whose time cannot be cut between ranks, and why.
UNSPLIT = {
    "gated_delta_chunk_state": "its g adds up within chunks of 64 steps, so that time cannot be cut anywhere; "
    "gated_delta, which it is a step of, runs over time",
}
