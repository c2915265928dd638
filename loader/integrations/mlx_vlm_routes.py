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

from ..masks import keep
from . import recurrences
from .recurrences import from_two_tokens, only
from .shared_routes import shared_routes


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
        g = keep(mask, g, 1)
    o, state, states = recurrences.gated_delta(q, k, v, g, beta, state, steps or 0)
    if steps is None:
        return o, state
    return o, state, mx.zeros((len(state), 0, *state.shape[1:])) if states is None else states


@from_two_tokens(mamba.MambaBlock._process_sequence, lambda self, x, *_, **__: x.shape[1])
def mamba_sequence(self, x, convolution_cache, state_cache):
    """MambaBlock's whole sequence: mlx-vlm's own method calls its scan once a token."""
    return recurrences.mamba(self, x, convolution_cache, state_cache, swiglu)


ROUTES = shared_routes(ssm, recurrent_gemma, jamba, bailing_moe_linear, rwkv7) | {
    "mlx_vlm.models.gated_delta.gated_delta_update": gated_delta_update,
    "mlx_vlm.models.qwen3_5.gated_delta.gated_delta_update": qwen3_5_gated_delta_update,
    "mlx_vlm.models.qwen3_5.gated_delta.gated_delta_update_with_states": qwen3_5_gated_delta_update_with_states,
    "mlx_vlm.models.mamba.language.MambaBlock._process_sequence": mamba_sequence,
}
