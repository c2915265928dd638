"""Delta rules that `gated_delta` becomes: several steps a token."""

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
