"""mlx-lm's model classes with a recurrence, at 2 or 3 layers of tiny random weights, in float32."""

import importlib

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map
from mlx_lm.models.cache import ArraysCache, BatchKVCache, KVCache

VOCABULARY = 61
_COMMON = dict(
    vocab_size=VOCABULARY,
    hidden_size=24,
    intermediate_size=32,
    num_hidden_layers=3,
    num_attention_heads=2,
    num_key_value_heads=1,
    rms_norm_eps=1e-6,
    rope_theta=1e4,
    max_position_embeddings=256,
    head_dim=16,
)
_DELTA = dict(
    linear_num_value_heads=4,
    linear_num_key_heads=2,
    linear_key_head_dim=10,
    linear_value_head_dim=6,
    linear_conv_kernel_dim=4,
    full_attention_interval=3,
)
_MAMBA = dict(state_size=5, conv_kernel=4, use_bias=False, use_conv_bias=True, time_step_rank=3)
_BAILING = dict(
    head_dim=8,
    num_attention_heads=3,
    num_key_value_heads=3,
    moe_intermediate_size=16,
    num_experts=4,
    num_shared_experts=1,
    num_experts_per_tok=2,
    first_k_dense_replace=3,
    layer_group_size=3,
    group_norm_size=1,
)
CONFIGS = {
    "qwen3_next": _COMMON
    | _DELTA
    | dict(
        num_experts=4,
        num_experts_per_tok=2,
        decoder_sparse_step=2,
        shared_expert_intermediate_size=16,
        mlp_only_layers=[],
        moe_intermediate_size=16,
        partial_rotary_factor=0.5,
    ),
    "qwen3_5": {"model_type": "qwen3_5", "text_config": _COMMON | _DELTA},
    "kimi_linear": _COMMON
    | dict(
        linear_attn_config={"kda_layers": [1, 2], "num_heads": 3, "head_dim": 8, "short_conv_kernel_size": 4},
        model_max_length=256,
        num_experts=0,
        moe_intermediate_size=16,
        kv_lora_rank=8,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=8,
    ),
    "olmo_hybrid": _COMMON
    | _DELTA
    | dict(
        layer_types=["linear_attention", "linear_attention", "full_attention"],
        linear_allow_neg_eigval=True,
        tie_word_embeddings=False,
        attention_bias=False,
    ),
    "mamba2": _COMMON
    | _MAMBA
    | dict(
        num_heads=4,
        head_dim=12,
        intermediate_size=48,
        n_groups=2,
        layer_norm_epsilon=1e-5,
        tie_word_embeddings=True,
        time_step_limit=(0.01, 10.0),
    ),
    "nemotron_h": _COMMON
    | dict(
        attention_bias=False,
        mamba_num_heads=4,
        mamba_head_dim=12,
        mamba_proj_bias=False,
        ssm_state_size=5,
        conv_kernel=4,
        n_groups=2,
        mlp_bias=False,
        layer_norm_epsilon=1e-5,
        use_bias=False,
        use_conv_bias=True,
        hybrid_override_pattern=["M", "*", "M"],
    ),
    "mamba": _COMMON | _MAMBA,
    "falcon_mamba": _COMMON | _MAMBA,
    "jamba": _COMMON
    | dict(
        attn_layer_offset=1,
        attn_layer_period=3,
        expert_layer_offset=1,
        expert_layer_period=2,
        mamba_d_conv=4,
        mamba_d_state=5,
        mamba_expand=2,
        num_experts=1,
        num_experts_per_tok=1,
    ),
    "recurrent_gemma": _COMMON
    | dict(
        attention_bias=False,
        conv1d_width=4,
        logits_soft_cap=30.0,
        attention_window_size=64,
        block_types=["recurrent", "recurrent", "attention"],
    ),
    "bailing_moe_linear": _COMMON | _BAILING | dict(norm_topk_prob=True),
    "bailing_hybrid": _COMMON
    | _BAILING
    | dict(
        n_group=1,
        topk_group=1,
        routed_scaling_factor=1.0,
        kv_lora_rank=8,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=8,
    ),
    "rwkv7": _COMMON
    | dict(
        hidden_size=32,
        norm_eps=1e-5,
        a_low_rank_dim=6,
        v_low_rank_dim=6,
        gate_low_rank_dim=6,
        decay_low_rank_dim=6,
    ),
}
# Models that take padded batches. Of the others mlx-lm masks nothing, or not all: OLMo's convolutions see the padding.
MASKED = ("qwen3_next", "qwen3_5", "kimi_linear", "mamba2", "nemotron_h", "bailing_hybrid")
_MODULES = {"falcon_mamba": "mamba"}


def build(name):
    """A model of that type. Every parameter is moved: some start as zeros, behind which nothing could be seen."""
    module = importlib.import_module(f"mlx_lm.models.{_MODULES.get(name, name)}")
    mx.random.seed(7)
    model = module.Model(module.ModelArgs.from_dict({"model_type": name} | CONFIGS[name]))
    if name == "recurrent_gemma":
        nn.Module.__init__(model)  # mlx-lm leaves that out, and without it no gradient can be asked for
    model.update(tree_map(lambda x: x + 0.1 * mx.random.normal(x.shape), model.parameters()))
    mx.eval(model.parameters())
    return model


def tokens(batch, length):
    return mx.random.randint(0, VOCABULARY, (batch, length))


def left_padded_cache(model, padding):
    """The caches of a batch whose rows begin with that many tokens that are none."""
    caches = []
    for cache in model.make_cache():
        if isinstance(cache, ArraysCache):
            caches.append(ArraysCache(len(cache.cache), left_padding=padding))
        else:
            assert isinstance(cache, KVCache)
            caches.append(BatchKVCache(padding))
    return caches
