"""RWKV-6, which reads before it decays, and RWKV-7, whose transition is diagonal plus low rank."""

import mlx.core as mx

from ..masks import replace
from .recipe import recipe, run


@recipe(state="B H Dk Dv", r="B L H Dk", k="B L H Dk", v="B L H Dv", w="B L H Dk", u="H Dk")
def rwkv6(r, k, v, w, u, *, initial_state=None, reset=None, scale=1.0):
    """o[t] = scale r[t] . (S[t-1] + (u o k[t]) (x) v[t]), S[t] = w[t] o S[t-1] + k[t] (x) v[t], w on the key axis.

    r, k and w [B, L, H, Dk], v [B, L, H, Dv], u [H, Dk]; w is the decay itself, exp(-exp(...)) of the projection, best
    in float32. Returns o [B, L, H, Dv] in v's dtype; the state is S [B, H, Dk, Dv], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Peng et al. 2024, Eagle and Finch: RWKV with Matrix-Valued States, arXiv:2404.05892, section 4.2.
    """
    # gla reads after it writes: so it writes a step later, and nothing at the first step of a sequence.
    fresh = None if reset is None else _padded(reset, 0, 1)
    key = replace(fresh, _padded(k, 1, 0), 0)
    decay = _padded(w, 1, 0, value=1)
    o, S = run(
        "gla",
        _padded(r, 0, 1),
        key,
        _padded(v, 1, 0),
        decay,
        initial_state=initial_state,
        reset=fresh,
        scale=scale,
    )
    bonus = scale * (r.astype(mx.float32) * u * k).sum(axis=-1, keepdims=True)
    return (o[:, :-1] + bonus * v).astype(v.dtype), S


@recipe(
    state="B H Dv Dk",
    r="B L H Dk",
    w="B L H Dk",
    k="B L H Dk",
    v="B L H Dv",
    a="B L H Dk",
    b="B L H Dk",
)
def rwkv7(r, w, k, v, a, b, *, initial_state=None, reset=None, scale=1.0):
    """S[t] = S[t-1] diag(w[t]) + (S[t-1] a[t]) (x) b[t] + v[t] (x) k[t], o[t] = scale S[t] r[t].

    r, w, k, a and b [B, L, H, Dk], v [B, L, H, Dv]; w is the decay itself, best in float32. RWKV-7 has a = -kk
    and b = kk * a', kk its normed removal key and a' its in-context learning rate. Returns o [B, L, H, Dv] in v's
    dtype; the state is S [B, H, Dv, Dk], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Peng et al. 2025, RWKV-7 "Goose", arXiv:2503.14456, section 4.1.
    """
    return run("dplr", r, k, v, a, b, w, initial_state=initial_state, reset=reset, scale=scale)


def _padded(x, before, after, value=0):
    """`x` [B, L, ...] with steps that hold `value` before and after it."""
    return mx.pad(x, [(0, 0), (before, after), *[(0, 0)] * (x.ndim - 2)], constant_values=mx.array(value, x.dtype))
