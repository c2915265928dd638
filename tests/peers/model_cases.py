"""Cases of mlx_lm/models: each model's own path without kernels, in float32; for bitlinear one is written here."""

import mlx.core as mx
from mlx_lm.models import bitlinear_layers, deepseek_v41, gated_delta, kimi_k3, rwkv7, ssm
from peer import case, normal, on_metal, single, uniform

B, T = 2, 7


def _gated_delta(run, dtype, Dk, Dv, vector=False, masked=False):
    """y and the state, of keys of unit length; y is not defined where the mask is off."""
    Hk, Hv = 2, 4
    q, k = (normal(B, T, Hk, Dk) for _ in "qk")
    q, k = (x.astype(dtype) for x in gated_delta.normalize_qk(q, k, inv_scale=Dk**-0.5, eps=1e-6))
    v, beta = normal(B, T, Hv, Dv, dtype=dtype), uniform(B, T, Hv, dtype=dtype)
    g = uniform(B, T, Hv, *[Dk] * vector)
    state = normal(B, Hv, Dv, Dk)
    mask = mx.arange(T) < mx.array([[T], [T - 3]]) if masked else None
    got = run(q, k, v, g, beta, state, mask)
    want = gated_delta.gated_delta_ops(*single(q, k, v), g, *single(beta), state, mask)
    shown = 1 if mask is None else mask[..., None, None]
    return [got[0] * shown, got[1]], [want[0] * shown, want[1]]


@case("gated_delta_step")
def gated_delta_step(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel_unpacked, dtype, 64, 12)


@case("gated_delta_step_mask")
def gated_delta_step_mask(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel, dtype, 64, 12, masked=True)


@case("gated_delta_step_vec")
def gated_delta_step_vec(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel, dtype, 64, 12, vector=True)


@case("gated_delta_step_vec_mask")
def gated_delta_step_vec_mask(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel, dtype, 64, 12, vector=True, masked=True)


@case("gated_delta_step_xtree")
def gated_delta_step_xtree(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel_xtree, dtype, 128, 16)


@case("gated_delta_step_packed_btree")
def gated_delta_step_packed(dtype):
    return _gated_delta(gated_delta.gated_delta_kernel, dtype, 128, 16)


@case("ssm_kernel")
def ssm_step(dtype):
    H, G, Dh, Ds = 4, 2, 20, 64
    x, dt, state = normal(B, 1, H, Dh, dtype=dtype), normal(B, 1, H, dtype=dtype), normal(B, H, Dh, Ds, dtype=dtype)
    keys, queries = (normal(B, 1, G, Ds, dtype=dtype) for _ in "BC")
    A_log, D, dt_bias = (normal(H, dtype=dtype) for _ in range(3))
    inputs = x, A_log, keys, queries, D, dt, dt_bias, state
    with on_metal():
        got = ssm.ssm_update(*inputs)
    return got, ssm.ssm_update(*single(*inputs))


@case("wkv7_kernel")
def rwkv7_scan(dtype):
    H, D = 2, 64
    r, k, v, a = (normal(B, T, H, D, dtype=dtype) for _ in "rkva")
    inputs = r, uniform(B, T, H, D, dtype=dtype), k, v, a / D, -a / D, normal(B, H, D, D, dtype=dtype)
    mix = rwkv7.Rwkv7TimeMixing._wkv7
    with on_metal():
        got = mix(None, *inputs)
    y, state = mix(None, *single(*inputs))
    return got, [y.squeeze(-1), state]


@case("attnres_mix")
def residual_attention(dtype):
    D, eps = 700, 1e-6
    layers, weight = [normal(B, T, D, dtype=dtype) for _ in range(4)], normal(D) / D**0.5

    def mix(*layers):
        blocks = kimi_k3.ResidualBlocks(eps)
        for layer in layers[:-1]:
            blocks.append(layer)
        return [kimi_k3._attn_res_mix(blocks, layers[-1], weight, eps)]

    with on_metal():
        got = mix(*layers)
    return got, mix(*single(*layers))


@case("deepseek_v41_sinkhorn", mx.float32)
def sinkhorn(dtype):
    comb, eps = mx.softmax(normal(B, 150, 4, 4), axis=-1) + 1e-6, mx.array([1e-6])
    with on_metal():
        got = deepseek_v41._sinkhorn(comb, iters=20, eps=eps)
    return [got], [deepseek_v41._sinkhorn(comb, iters=20, eps=eps)]


@case("bitlinear_matmul")
def bitlinear(dtype):
    """A byte holds two bits, -1 to 1, of the rows i, i + n, i + 2 n and i + 3 n."""
    rows, columns = 64, 200
    x, ternary = normal(B, 3, columns, dtype=dtype), mx.random.randint(0, 3, (4, rows // 4, columns))
    got, want = [], []
    for invert in (False, True):
        layer = bitlinear_layers.BitLinear(columns, rows, bias=False, invert_weight_scales=invert)
        layer.weight = (ternary << mx.array([0, 2, 4, 6])[:, None, None]).sum(axis=0).astype(mx.uint8)
        layer.weight_scale = mx.array([1.5], dtype)
        got.append(layer(x))
        scale = 1 / 1.5 if invert else 1.5
        want.append(scale * (single(x)[0] @ (ternary.reshape(rows, columns) - 1).astype(mx.float32).T))
    return got, want
