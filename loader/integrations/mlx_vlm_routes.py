"""What `loader.patch_mlx_vlm` puts in the place of mlx-vlm's loops over time: same arguments, same results, our ops.

A call of one token stays mlx-vlm's, as in `mlx_lm_routes`.
"""

import mlx.core as mx
from mlx_vlm.models import gated_delta, ssm
from mlx_vlm.models.activations import swiglu
from mlx_vlm.models.bailing_moe_linear import language as bailing_moe_linear
from mlx_vlm.models.gated_delta import compute_g, compute_g_safe
from mlx_vlm.models.jamba import language as jamba
from mlx_vlm.models.mamba import language as mamba
from mlx_vlm.models.qwen3_5 import gated_delta as qwen3_5
from mlx_vlm.models.recurrent_gemma import language as recurrent_gemma
from mlx_vlm.models.rwkv7 import language as rwkv7
from mlx_vlm.models.ssm import compute_dt

from . import recurrences
from .recurrences import from_two_tokens, only, where


def _tokens(q, *_, **__):
    return q.shape[1]


@from_two_tokens(gated_delta.gated_delta_update, _tokens)
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
    use_kernel=True,
    lower_bound=None,
    state_steps=None,
    cache=None,
    cache_index=1,
):
    """o [B, L, H, Dv] in q's dtype, the state [B, H, Dv, Dk] and, with `state_steps`, the states after each of so many
    steps [B, state_steps, H, Dv, Dk]; a masked step leaves the state and gives 0.

    `cache` keeps the state and says how many steps' states it wants; `use_kernel` has no meaning here.
    """
    g = compute_g(A_log, a, dt_bias) if lower_bound is None else compute_g_safe(A_log, a, dt_bias, lower_bound)
    if state_steps is not None and not 0 < state_steps <= q.shape[1]:
        raise ValueError("state_steps must be between one and the sequence length.")
    return _delta(q, k, v, g, mx.sigmoid(b), state, mask, state_steps, cache, cache_index)


@from_two_tokens(qwen3_5.gated_delta_update, _tokens)
def qwen3_5_gated_delta_update(
    q, k, v, a, b, A_log, dt_bias, state=None, mask=None, use_kernel=True, state_steps=None, cache=None, cache_index=1
):
    """As `gated_delta_update`; a cache's state of another batch counts as none, as in mlx-vlm."""
    g = compute_g(A_log, a, dt_bias)
    return _delta(q, k, v, g, mx.sigmoid(b), state, mask, state_steps, cache, cache_index, same_batch=True)


@from_two_tokens(qwen3_5.gated_delta_update_with_states, _tokens)
def qwen3_5_gated_delta_update_with_states(
    q, k, v, a, b, A_log, dt_bias, state=None, mask=None, use_kernel=True, state_steps=None
):
    """As `gated_delta_update` with `state_steps`, by default all."""
    steps = q.shape[1] if state_steps is None else state_steps
    return _delta(q, k, v, compute_g(A_log, a, dt_bias), mx.sigmoid(b), state, mask, int(steps))


def _delta(q, k, v, g, beta, state, mask, steps, cache=None, cache_index=1, same_batch=False):
    if cache is not None:
        if state is not None or steps is not None:
            raise ValueError("The cache owns recurrent state and history retention.")

        def update(kept, steps):
            fits = kept is None or not same_batch or kept.shape[0] == q.shape[0]
            return _delta(q, k, v, g, beta, kept if fits else None, mask, steps)

        return cache.update_recurrent(cache_index, q.shape[1], update)
    if mask is not None:
        q, k, v, beta = only(mask, q, k, v, beta)
        g = where(mask, g, 1)
    o, state, states = recurrences.gated_delta(q, k, v, g, beta, state, steps or 0)
    if steps is None:
        return o, state
    return o, state, mx.zeros((len(state), 0, *state.shape[1:])) if states is None else states


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
def mamba_sequence(self, x, convolution_cache, state_cache):
    """MambaBlock's whole sequence: mlx-vlm's own method calls its scan once a token."""
    return recurrences.mamba(self, x, convolution_cache, state_cache, swiglu)


@from_two_tokens(jamba.JambaMambaMixer.ssm_step, lambda self, x, *_, **__: x.shape[1])
def jamba_scan(self, x, A, state=None):
    """y [B, L, D] and the state [B, D, N] of JambaMambaMixer."""
    return recurrences.jamba(self, x, A, state)


@from_two_tokens(bailing_moe_linear.recurrent_gla, lambda q, *_, **__: q.shape[2])
def recurrent_gla(q, k, v, g, scale, h=None):
    """y [B, H, L, Dv] of q and k [B, H, L, Dk], v [B, H, L, Dv] and one log decay a head, g [H]; the state
    [B, H, Dk, Dv]."""
    return recurrences.gla_as_given(q, k, v, g, scale, h)


@from_two_tokens(rwkv7.Rwkv7TimeMixing._wkv7, lambda self, r, *_, **__: r.shape[1])
def wkv7(self, r, w, k, v, a, b, state):
    """y [B, L, H, D] in r's dtype and the state [B, H, D, D]."""
    return recurrences.rwkv7(r, w, k, v, a, b, state)


ROUTES = {
    "mlx_vlm.models.gated_delta.gated_delta_update": gated_delta_update,
    "mlx_vlm.models.qwen3_5.gated_delta.gated_delta_update": qwen3_5_gated_delta_update,
    "mlx_vlm.models.qwen3_5.gated_delta.gated_delta_update_with_states": qwen3_5_gated_delta_update_with_states,
    "mlx_vlm.models.ssm.ssm_update": ssm_update,
    "mlx_vlm.models.recurrent_gemma.language.rnn_scan": rnn_scan,
    "mlx_vlm.models.mamba.language.MambaBlock._process_sequence": mamba_sequence,
    "mlx_vlm.models.jamba.language.JambaMambaMixer.ssm_step": jamba_scan,
    "mlx_vlm.models.bailing_moe_linear.language.recurrent_gla": recurrent_gla,
    "mlx_vlm.models.rwkv7.language.Rwkv7TimeMixing._wkv7": wkv7,
}
