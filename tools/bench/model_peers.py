"""The functions that a model's users call on MLX today, as functions of our inputs: mlx-lm's, and MLX core's op."""

from types import SimpleNamespace

import mlx.core as mx
import mlx.nn as nn


def of(model, names):
    """`{who: function}`; the functions take the inputs called `names` and return the output. mlx-lm may be missing."""
    found = {}
    if model.op in _CORE:
        found["MLX core"] = _CORE[model.op]
    try:
        if model.op in _MLX_LM:
            found["mlx-lm"] = _MLX_LM[model.op](model)
    except ImportError:
        pass
    return {who: _by_name(function, names, model.options) for who, function in found.items() if function}


def _by_name(function, names, options):
    return lambda *arrays: function(**dict(zip(names, arrays)), **options)


def _core_delta(q, k, v, g, beta, scale):
    return mx.fast.gated_delta_update(scale * q, k, v, g, beta)[0]


def _core_conv(x, weight, silu):
    """As mlx-lm's layers have it."""
    taps, channels = weight.shape
    padded = mx.pad(x, [(0, 0), (taps - 1, 0), (0, 0)])
    return nn.silu(mx.conv1d(padded, weight.T[..., None], groups=channels))


def _delta(model):
    from mlx_lm.models.gated_delta import gated_delta_kernel, gated_delta_ops

    def function(q, k, v, g, beta, scale):
        return gated_delta_ops(scale * q, k, v, g, beta)[0].astype(v.dtype)

    def kernel(q, k, v, g, beta, scale):
        state = mx.zeros((*v.shape[:1], *v.shape[2:], q.shape[-1]), mx.float32)
        return gated_delta_kernel(scale * q, k, v, g, beta, state)[0]

    return kernel if mx.metal.is_available() and not model.shapes["g"] else function


def _ssd(model):
    from mlx_lm.models.ssm import ssm_attn

    def function(u, delta, B, C, A):
        heads = mx.zeros((u.shape[2],), u.dtype)
        raw = mx.log(mx.expm1(delta))  # mlx-lm's takes delta before softplus
        return ssm_attn(u, mx.log(-A), B, C, heads, raw, heads, time_step_limit=(0.0, float("inf")))[0]

    return function


def _gla(model):
    """mlx-lm's has one decay a head for all time, as Lightning Attention and RetNet have, and no other."""
    from mlx_lm.models.bailing_moe_linear import recurrent_gla

    def function(q, k, v, g, scale):
        q, k, v = (mx.swapaxes(x, 1, 2) for x in (q, k, v))
        return mx.swapaxes(recurrent_gla(q, k, v, mx.log(g[0, 0]), scale)[0], 1, 2)

    return function if model.steady else None


def _selective(model):
    from mlx_lm.models.jamba import JambaMambaMixer
    from mlx_lm.models.mamba import swiglu

    def function(u, delta, A, B, C, D, z, delta_bias, delta_softplus):
        block = SimpleNamespace(
            D=D,
            x_proj=lambda _: mx.concatenate([delta, B, C], axis=-1),
            time_step_rank=u.shape[-1],
            ssm_state_size=A.shape[-1],
            dt_proj=lambda x: x + delta_bias,
            **dict.fromkeys(("dt_layernorm", "b_layernorm", "c_layernorm"), lambda x: x),
        )
        return swiglu(z, JambaMambaMixer.ssm_step(block, u, A)[0]).astype(u.dtype)

    return function


def _dplr(model):
    from mlx_lm.models.rwkv7 import Rwkv7TimeMixing

    def function(q, k, v, a, b, g, scale):
        batch, _, heads, keys = q.shape
        state = mx.zeros((batch, heads, v.shape[-1], keys), mx.float32)
        block = SimpleNamespace(num_heads=heads, head_dim=keys)
        return Rwkv7TimeMixing._wkv7(block, q, g, k, v, a, b, state)[0].reshape(v.shape).astype(v.dtype)

    return function


def _rglru(model):
    from mlx_lm.models.recurrent_gemma import rnn_scan

    return lambda a, b: rnn_scan(b, a.astype(b.dtype), None)[0]


_CORE = {"gated_delta": _core_delta, "short_conv": _core_conv}
_MLX_LM = {
    "gated_delta": _delta,
    "ssd": _ssd,
    "gla": _gla,
    "selective_scan": _selective,
    "dplr": _dplr,
    "rglru": _rglru,
}
