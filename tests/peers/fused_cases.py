"""Cases of mlx_lm/kernels, which has no path without kernels: the same maths in MLX's operations, in float32."""

import mlx.core as mx
from mlx import nn
from mlx_lm import kernels
from mlx_lm.models.muse_spark import InputScaleRMSNorm
from peer import case, normal, single, uniform

EPS = 1e-5
# A row of 600 is four simdgroups of post_expert_norm_combine, two of norm_add_norm, and divides by neither.
B, L, D = 2, 5, 600
HEADS = dict(n_heads=4, n_kv_heads=2, head_dim=40, eps=EPS, query_scale=1.7)


def _rms_norm(x, weight=None):
    return mx.fast.rms_norm(x, weight, EPS)


def _normed_heads(qkvg):
    heads, total = HEADS["n_heads"], HEADS["n_heads"] + HEADS["n_kv_heads"]
    (x,) = single(qkvg[..., : total * HEADS["head_dim"]])
    x = _rms_norm(x.reshape(B, L, total, HEADS["head_dim"]))
    return HEADS["query_scale"] * x[:, :, :heads], x[:, :, heads:]


def _qkvg(dtype):
    return normal(B, L, 2 * 6 * HEADS["head_dim"], dtype=dtype)


@case("qk_norm")
def qk_norm(dtype):
    qkvg = _qkvg(dtype)
    return kernels.qk_norm(qkvg, **HEADS), _normed_heads(qkvg)


@case("qk_norm_rope")
def qk_norm_rope(dtype):
    got, want = [], []
    for offset in (3, mx.array([7, 2])):
        qkvg = _qkvg(dtype)
        got += kernels.qk_norm_rope(qkvg, **HEADS, rope_base=1e4, offset=offset)
        for x in _normed_heads(qkvg):
            x = mx.fast.rope(x.swapaxes(1, 2), HEADS["head_dim"], traditional=True, base=1e4, scale=1.0, offset=offset)
            want.append(x.swapaxes(1, 2))
    return got, want


@case("rms_norm_sigmoid_gate")
def rms_norm_sigmoid_gate(dtype):
    x = normal(B, L, 4, 40, dtype=dtype).swapaxes(1, 2)
    gate = normal(B, L, 2, 160, dtype=dtype)[:, :, 1]
    normed = _rms_norm(single(x)[0]).swapaxes(1, 2).reshape(B, L, 160)
    return [kernels.rms_norm_sigmoid_gate(x, gate, eps=EPS)], [normed * mx.sigmoid(*single(gate))]


@case("expert_routing")
def expert_routing(dtype):
    logits, bias = normal(B, L, 40, dtype=dtype), normal(40)
    scores = mx.sigmoid(0.5 * logits.astype(mx.float32))
    indices = mx.argsort(-(scores + bias), axis=-1)[..., :4]
    weights = mx.take_along_axis(scores, indices, axis=-1)
    weights = 2.5 * weights / (weights.sum(axis=-1, keepdims=True) + 1e-3)
    options = dict(top_k=4, multiplier=0.5, score_eps=1e-3, route_scale=2.5)
    return kernels.expert_routing(logits, bias, **options), [indices, weights]


@case("post_expert_norm_combine")
def post_expert_norm_combine(dtype):
    experts, weights = normal(B, L, 4, D, dtype=dtype), uniform(B, L, 4, dtype=dtype)
    norm = InputScaleRMSNorm(D, EPS)
    norm.weight = uniform(D, dtype=dtype)
    got = kernels.post_expert_norm_combine(experts, weights, norm_weight=norm.weight, eps=EPS)
    (norm.weight,) = single(norm.weight)
    experts, weights = single(experts, weights)
    return [got], [(norm(experts) * weights[..., None]).sum(axis=-2)]


def _norm(dtype):
    norm = nn.RMSNorm(D, EPS)
    norm.weight = uniform(D, dtype=dtype)
    return norm


def _norm_add(dtype, next_norm, scaled):
    branch, stream, alpha, beta = normal(B, L, D, dtype=dtype), normal(B, L, D), uniform(D), uniform(D)
    weight = uniform(D, dtype=dtype) if scaled else None
    options = dict(alpha=alpha, beta=beta, post_weight=weight, post_eps=EPS, next_norm=next_norm)
    got = kernels.norm_add_norm(branch, stream, **options)
    (x,) = single(branch)
    want = alpha * stream + beta * _rms_norm(x * weight if scaled else x)
    return got, (want, next_norm and _rms_norm(want, next_norm.weight))


@case("norm_add_norm")
def norm_add_norm(dtype):
    cases = [_norm_add(dtype, _norm(dtype), scaled) for scaled in (False, True)]
    return [x for got, _ in cases for x in got], [x for _, want in cases for x in want]


@case("norm_add")
def norm_add(dtype):
    cases = [_norm_add(dtype, None, scaled) for scaled in (False, True)]
    return [got[0] for got, _ in cases], [want[0] for _, want in cases]


@case("norm_add_norm_pre_norm")
def pre_norm(dtype):
    stream, norm = normal(B, L, D), _norm(dtype)
    return [kernels.pre_norm(stream, norm, dtype=dtype)], [_rms_norm(stream, norm.weight)]
