"""What `loader.patch_mlx_lm` puts in the place of mlx-lm's loops over time: same arguments, same results, our ops.

A call of one token stays mlx-lm's, except on the engines where the op was measured to be faster: state space duality on
cuda. Masked calls of state space duality always take the op, because mlx-lm's leaves padding in the state.
"""

import mlx.core as mx
from mlx_lm.models import bailing_hybrid, bailing_moe_linear, gated_delta, jamba, mamba, recurrent_gemma, rwkv7, ssm
from mlx_lm.models.activations import swiglu
from mlx_lm.models.gated_delta import compute_g, compute_lower_bound_g

from ..masks import keep
from . import recurrences
from .recurrences import from_two_tokens, only
from .shared_routes import shared_routes


@from_two_tokens(gated_delta.gated_delta_update, lambda q, *_, **__: q.shape[1])
def gated_delta_update(
    q,
    k,
    v,
    a,
    b,
    A_log,
    dt_bias,
    state=None,
    mask=None,
    *,
    use_kernel=True,
    lower_bound=None,
    allow_neg_eigval=False,
):
    """o [B, L, H, Dv] in q's dtype and the state [B, H, Dv, Dk]; a masked step leaves the state and gives 0.

    `use_kernel`, by which mlx-lm's models choose the path that has a gradient, has no meaning here: the op has one.
    """
    if mask is not None:
        q, k, v, a, b = only(mask, q, k, v, a, b)
    beta = mx.sigmoid(b) * 2.0 if allow_neg_eigval else mx.sigmoid(b)
    if lower_bound is None:
        g = compute_g(A_log, a, dt_bias)
    else:
        g = compute_lower_bound_g(A_log, a, dt_bias, lower_bound)
    if mask is not None:
        g = keep(mask, g, 1)
    return recurrences.gated_delta(q, k, v, g, beta, state)[:2]


@from_two_tokens(mamba.MambaBlock._process_sequence, lambda self, x, *_, **__: x.shape[1])
def mamba_sequence(self, x, conv_cache, state_cache):
    """MambaBlock's whole sequence: mlx-lm's own method calls its scan once a token."""
    return recurrences.mamba(self, x, conv_cache, state_cache, swiglu)


@from_two_tokens(bailing_hybrid.recurrent_gla, lambda q, *_, **__: q.shape[2])
def masked_recurrent_gla(q, k, v, g, *, scale, h=None, mask=None, chunk=128):
    """As Bailing MoE Linear's, with the state in float32 and padding, which leaves it; `chunk`, the length of mlx-lm's
    pieces, has no meaning here."""
    y, state = recurrences.gla(q, k, v, g, scale, h, mask)
    return y.astype(q.dtype), state


ROUTES = shared_routes(ssm, recurrent_gemma, jamba, bailing_moe_linear, rwkv7) | {
    "mlx_lm.models.gated_delta.gated_delta_update": gated_delta_update,
    "mlx_lm.models.mamba.MambaBlock._process_sequence": mamba_sequence,
    "mlx_lm.models.bailing_hybrid.recurrent_gla": masked_recurrent_gla,
}
