"""Mamba-3: the trapezoidal rule, a rotating state, and several inputs and outputs a head."""

import math

import mlx.core as mx
import numpy as np

from ..masks import replace
from .recipe import begun, last, recipe, run

# A turn in the fixed point that angles add up in: they wrap around without error, however many steps there are.
_TURN = 2.0**32
_LARGEST = 2.0**31 - 128  # of float32 below 2^31
_PER_RADIAN = float(np.float32(0.5 / math.pi))
_PER_RADIAN_REST = 0.5 / math.pi - _PER_RADIAN


def _state(B, **_):
    rank = "R " if isinstance(B, mx.array) and B.ndim == 5 else ""
    return ("B H P", "B H N Dh", f"B {rank}H N", f"B {rank}H Dh")


@recipe(
    state=_state,
    x="B L H Dh | B L R H Dh",
    B="B L G N | B L R G N",
    C="B L G N | B L R G N",
    dt="B L H",
    lam="B L H",
    A="H | B L H",
    theta="B L H P",
)
def mamba3(x, B, C, dt, lam, A, theta, *, initial_state=None, reset=None):
    """h[t] = exp(dt A) (h[t-1] + (1 - lam) dt B'[t-1] (x) x[t-1]) + lam dt B'[t] (x) x[t], y[t] = h[t] C'[t], where B'
    and C' are B and C whose channels 2 p and 2 p + 1 are turned by minus the sum of dt theta[p] up to t.

    x [B, L, H, Dh], B and C [B, L, G, N] with H % G == 0, dt and lam [B, L, H], A [H] or [B, L, H], theta [B, L, H, P]
    with 2 P <= N. MIMO of rank R has x [B, L, R, H, Dh], B and C [B, L, R, G, N]: every input writes to h, every output
    reads it. Returns y, as x; the state is (angle [B, H, P], h [B, H, N, Dh], and of the last step B' [B, H, N] and x
    [B, H, Dh], of MIMO [B, R, H, ...]), float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Lahoti et al. 2026, Mamba-3, arXiv:2603.15569, section 3.
    """
    _check(x, B, C, theta)
    angle, h, key, value = initial_state or (None, None, None, None)
    single = x.ndim == 4
    if single:
        x, B, C = (mx.expand_dims(each, 2) for each in (x, B, C))
        key, value = (None if each is None else mx.expand_dims(each, 1) for each in (key, value))
    dt, lam = dt.astype(mx.float32), lam.astype(mx.float32)
    turned = _angles(dt[..., None] * theta, angle, reset)
    k, q = (_turn(each, turned, x.shape[3]) for each in (B, C))
    # What step t adds of the one before, and, moved to that one, what each step's write is short of.
    early = replace(reset, dt * (1 - lam), 0)
    ahead = mx.concatenate([early[:, 1:], mx.zeros_like(early[:, :1])], axis=1)
    if h is not None and x.shape[1]:
        h = h + mx.einsum("bh,brhn,brhd->bhnd", early[:, 0], key, value)
    y, h = _mixed(q, k, x.astype(mx.float32), mx.exp(dt * A), dt * lam + ahead, ahead, h, reset)
    final = (last(turned, angle), h, last(k, key), last(x.astype(mx.float32), value))
    y = y.astype(x.dtype)
    return (y[:, :, 0], (*final[:2], final[2][:, 0], final[3][:, 0])) if single else (y, final)


def _mixed(q, k, x, decay, weight, ahead, h, reset):
    """y and h of `gla` on R steps a token, which write one input each; y gets the inputs after its step, and loses what
    a token writes ahead."""
    batch, length, rank = x.shape[:3]
    first = mx.arange(rank) == 0
    gate = mx.where(first[:, None], decay[:, :, None], 1)
    marks = None if reset is None else reset[..., None] & first
    steps = [mx.flatten(each, 1, 2) for each in (q, k, x * weight[:, :, None, :, None], gate)]
    y, h = run("gla", *steps, initial_state=h, reset=None if marks is None else mx.flatten(marks, 1, 2))
    q, k, x = (mx.swapaxes(each, 2, 3) for each in (q, k, x))
    later = mx.triu(mx.ones((rank, rank)), 1)
    extra = weight[..., None, None] * later - ahead[..., None, None]
    rest = ((q @ mx.swapaxes(k, -1, -2)) * extra) @ x
    return mx.unflatten(y, 1, (length, rank)) + mx.swapaxes(rest, 2, 3), h


def _turn(x, angle, heads):
    """`x` [B, L, R, G, N] as [B, L, R, H, N], float32, with its first P pairs turned by minus angle [B, L, H, P]."""
    x = mx.repeat(x.astype(mx.float32), heads // x.shape[3], axis=3)
    pairs = 2 * angle.shape[-1]
    a, b = x[..., :pairs:2], x[..., 1:pairs:2]
    cos, sin = mx.cos(angle)[:, :, None], mx.sin(angle)[:, :, None]
    turned = mx.stack([cos * a + sin * b, cos * b - sin * a], axis=-1)
    return mx.concatenate([mx.flatten(turned, -2, -1), x[..., pairs:]], axis=-1)


def _angles(steps, start, reset):
    """The sums of `steps` [B, L, H, P] up to each, less whole turns, from `start` [B, H, P] or a reset on."""
    shape, width = steps.shape, math.prod(steps.shape[2:])
    flat = steps.reshape(*shape[:2], width)
    start = None if start is None else start.reshape(len(flat), width)
    total = run("rglru", mx.ones_like(flat), flat, initial_state=start, reset=reset)[0]
    units = mx.cumsum(_units(flat), axis=1)
    before = mx.zeros_like(units[:, :1]) if start is None else -_units(start)[:, None]
    if reset is not None and shape[1]:
        begin = begun(reset)[..., None]
        resets = mx.take_along_axis(units - _units(flat), mx.maximum(begin, 0), axis=1)
        before = mx.where(begin < 0, before, resets)
    exact = (units - before).view(mx.int32).astype(mx.float32) * (2 * math.pi / _TURN)
    # The value is exact, and its slope that of the sum.
    return (mx.stop_gradient(exact) + (total - mx.stop_gradient(total))).reshape(shape)


def _units(angle):
    """An angle in fixed point, uint32."""
    angle = mx.stop_gradient(angle)
    turns = angle * _PER_RADIAN
    # By the rounded factor alone every step would be off by the same part.
    return _fixed(turns - mx.round(turns)) + _fixed(angle * _PER_RADIAN_REST)


def _fixed(turns):
    return mx.minimum(turns * _TURN, _LARGEST).astype(mx.int32).view(mx.uint32)


def _check(x, B, C, theta):
    if not x.ndim == B.ndim == C.ndim:
        raise ValueError(
            f"[mamba3] expected x, B and C to have 4 axes each, or 5 for MIMO, but got {x.ndim}, {B.ndim} and {C.ndim}."
        )
    heads, groups, size = x.shape[-2], B.shape[-2], B.shape[-1]
    if groups and heads % groups:
        raise ValueError(f"[mamba3] expected H, {heads}, to be a multiple of G but got {groups}.")
    if 2 * theta.shape[-1] > size:
        raise ValueError(
            f"[mamba3] expected theta to have at most N // 2 = {size // 2} angles but got {theta.shape[-1]}."
        )
