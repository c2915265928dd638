"""What `loader.patch_mlx_lm` puts in the place of mlx-lm's loops over time: same arguments, same results, our ops.

A call of one token stays mlx-lm's, except on the engines where the op was measured to be faster: state space duality on
cuda. Masked calls of state space duality always take the op, because mlx-lm's leaves padding in the state.
"""

import mlx.core as mx
from mlx_lm.models import bailing_hybrid, bailing_moe_linear, gated_delta, jamba, mamba, recurrent_gemma, rwkv7, ssm
from mlx_lm.models.activations import swiglu
from mlx_lm.models.gated_delta import compute_g, compute_lower_bound_g
from mlx_lm.models.ssm import compute_dt

from . import recurrences
from .recurrences import from_two_tokens, only, where


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
        g = where(mask, g, 1)
    return recurrences.gated_delta(q, k, v, g, beta, state)[:2]


@from_two_tokens(ssm.ssm_update, recurrences.unmasked_length, op_on=("cuda",))
def ssm_update(
    hidden_states,
    A_log,
    B,
    C,
    D,
    dt,
    dt_bias,
    state=None,
    time_step_limit=(0.001, 100.0),
    mask=None,
    lengths=None,
):
    """y [B, L, H, Dh] and the state [B, H, Dh, N]; a step that `mask` [B, L] or `lengths` [B] leaves out leaves the
    state and gives 0."""

    def delta_of(dt):
        return compute_dt(dt, dt_bias, time_step_limit)

    return recurrences.ssd(hidden_states, A_log, B, C, D, dt, delta_of, state, mask, lengths)


@from_two_tokens(recurrent_gemma.rnn_scan, lambda x, *_, **__: x.shape[1])
def rnn_scan(x, a, h0):
    """y [B, L, D] in x's dtype and the state [B, D]."""
    return recurrences.rglru(x, a, h0)


@from_two_tokens(mamba.MambaBlock._process_sequence, lambda self, x, *_, **__: x.shape[1])
def mamba_sequence(self, x, conv_cache, state_cache):
    """MambaBlock's whole sequence: mlx-lm's own method calls its scan once a token."""
    return recurrences.mamba(self, x, conv_cache, state_cache, swiglu)


@from_two_tokens(jamba.JambaMambaMixer.ssm_step, lambda self, x, *_, **__: x.shape[1])
def jamba_scan(self, x, A, state=None):
    """y [B, L, D] and the state [B, D, N] of JambaMambaMixer."""
    return recurrences.jamba(self, x, A, state)


@from_two_tokens(bailing_moe_linear.recurrent_gla, lambda q, *_, **__: q.shape[2])
def recurrent_gla(q, k, v, g, scale, h=None):
    """y [B, H, L, Dv] of q and k [B, H, L, Dk], v [B, H, L, Dv] and one log decay a head, g [H]; the state
    [B, H, Dk, Dv]."""
    return recurrences.gla_as_given(q, k, v, g, scale, h)


@from_two_tokens(bailing_hybrid.recurrent_gla, lambda q, *_, **__: q.shape[2])
def masked_recurrent_gla(q, k, v, g, *, scale, h=None, mask=None, chunk=128):
    """As Bailing MoE Linear's, with the state in float32 and padding, which leaves it; `chunk`, the length of mlx-lm's
    pieces, has no meaning here."""
    y, state = recurrences.gla(q, k, v, g, scale, h, mask)
    return y.astype(q.dtype), state


@from_two_tokens(rwkv7.Rwkv7TimeMixing._wkv7, lambda self, r, *_, **__: r.shape[1])
def wkv7(self, r, w, k, v, a, b, state):
    """y [B, L, H, D] in r's dtype and the state [B, H, D, D]."""
    return recurrences.rwkv7(r, w, k, v, a, b, state)


ROUTES = {
    "mlx_lm.models.gated_delta.gated_delta_update": gated_delta_update,
    "mlx_lm.models.ssm.ssm_update": ssm_update,
    "mlx_lm.models.recurrent_gemma.rnn_scan": rnn_scan,
    "mlx_lm.models.mamba.MambaBlock._process_sequence": mamba_sequence,
    "mlx_lm.models.jamba.JambaMambaMixer.ssm_step": jamba_scan,
    "mlx_lm.models.bailing_moe_linear.recurrent_gla": recurrent_gla,
    "mlx_lm.models.bailing_hybrid.recurrent_gla": masked_recurrent_gla,
    "mlx_lm.models.rwkv7.Rwkv7TimeMixing._wkv7": wkv7,
}
