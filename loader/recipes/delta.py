"""Delta rules that `gated_delta` becomes: several steps a token, and keys that erase otherwise than they write."""

import mlx.core as mx

from .recipe import recipe, run


@recipe(
    state="B H Dv Dk",
    q="B L Hk Dk",
    k="B L R Hk Dk",
    v="B L R H Dv",
    g="B L H | B L H Dk",
    beta="B L R H",
)
def delta_product(q, k, v, g, beta, *, initial_state=None, reset=None, scale=1.0):
    """S = g[t] o S, then for each of R steps S += (beta (v - S k)) (x) k, and o[t] = scale S q[t] after the last.

    q [B, L, Hk, Dk], k [B, L, R, Hk, Dk], v [B, L, R, H, Dv] with H % Hk == 0, g [B, L, H] or [B, L, H, Dk], beta
    [B, L, R, H] in (0, 2). Returns o [B, L, H, Dv] in v's dtype; the state is S [B, H, Dv, Dk], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Siems et al. 2025, DeltaProduct, arXiv:2502.10297, eq. 3.
    """
    steps = k.shape[2]
    o, S = run(
        "gated_delta",
        *(mx.flatten(x, 1, 2) for x in (_among(q, steps, -1, 0), k, v, _among(g, steps, 0, 1), beta)),
        initial_state=initial_state,
        reset=None if reset is None else mx.flatten(_among(reset, steps, 0, False), 1, 2),
        scale=scale,
    )
    return mx.unflatten(o, 1, (q.shape[1], steps))[:, :, -1], S


def _among(x, steps, at, other):
    """`x` [B, L, ...] at one of the steps of each token, [B, L, steps, ...], and `other` at the rest."""
    others = mx.full((*x.shape[:2], steps - 1, *x.shape[2:]), other, x.dtype)
    return mx.concatenate([mx.expand_dims(x, 2), others] if at == 0 else [others, mx.expand_dims(x, 2)], axis=2)


@recipe(
    state="B H Dv Dk",
    q="B L H Dk",
    k="B L H Dk",
    v="B L H Dv",
    g="B L H | B L H Dk",
    beta="B L H",
    p="B L H Dk",
    d="H",
)
def comba(q, k, v, g, beta, p, d=None, *, initial_state=None, reset=None, scale=1.0):
    """S = g[t] o S, S += (beta[t] (v[t] - S p[t])) (x) k[t], o[t] = scale S (q[t] - d p[t]): a delta rule that erases
    what p reads.

    q, k and p [B, L, H, Dk], v [B, L, H, Dv], g [B, L, H] or [B, L, H, Dk], beta [B, L, H], d [H] the output's
    correction, by default none. Comba has p = c k with one c a head. Returns o [B, L, H, Dv] in v's dtype; the state is
    S [B, H, Dv, Dk], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Hu et al. 2025, Comba: Improving Bilinear RNNs with Closed-loop Control, arXiv:2506.02475, section 3.
    """
    q = q if d is None else q - d[:, None] * p
    return run("gated_delta", q, k, v, g, beta, erase=p, initial_state=initial_state, reset=reset, scale=scale)


@recipe(
    state="B H Dv Dk",
    q="B L H Dk",
    k="B L H Dk",
    v="B L H Dv",
    g="B L H | B L H Dk",
    b="B L H Dk",
    w="B L H Dv",
)
def gdn2(q, k, v, g, b, w, *, initial_state=None, reset=None, scale=1.0):
    """S = g[t] o S, S += (w[t] o v[t] - S (b[t] o k[t])) (x) k[t], o[t] = scale S q[t]: Gated DeltaNet-2.

    q, k and the erase gate b [B, L, H, Dk], v and the write gate w [B, L, H, Dv], g [B, L, H] or [B, L, H, Dk]. Returns
    o [B, L, H, Dv] in v's dtype; the state is S [B, H, Dv, Dk], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Hatamizadeh et al. 2026, Gated DeltaNet-2, arXiv:2605.22791.
    """
    ones = mx.ones(v.shape[:3])
    return run("gated_delta", q, k, w * v, g, ones, erase=b * k, initial_state=initial_state, reset=reset, scale=scale)
