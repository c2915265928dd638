"""mlx-vlm's own model classes with a recurrence, at 2 or 3 layers of tiny random weights, in float32."""

import importlib
from types import SimpleNamespace

import mlx.core as mx
from mlx.utils import tree_map
from tiny_models import CONFIGS as OF_MLX_LM
from tiny_models import VOCABULARY

_TOKENS = dict.fromkeys(("image_token_id", "video_token_id", "vision_start_token_id"), -1)
_VISION = SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2), **_TOKENS)
CONFIGS = {
    "qwen3_5": {
        **OF_MLX_LM["qwen3_5"]["text_config"],
        "rope_parameters": {
            "type": "default",
            "mrope_section": [2, 1, 1],
            "rope_theta": 1e4,
            "partial_rotary_factor": 0.5,
        },
    },
    "kimi_linear": OF_MLX_LM["kimi_linear"],
    "falcon_h1": dict(
        vocab_size=VOCABULARY,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=12,
        mamba_d_ssm=48,
        mamba_d_head=12,
        mamba_n_heads=4,
        mamba_d_state=5,
        mamba_n_groups=2,
        rope_theta=1e4,
        lm_head_multiplier=1.0,
    ),
    "mamba2": OF_MLX_LM["mamba2"],
    "rwkv7": OF_MLX_LM["rwkv7"],
    **{name: OF_MLX_LM[name] for name in ("mamba", "jamba", "recurrent_gemma", "bailing_moe_linear")},
}


def build(name):
    """The language model of that type, every parameter of which is moved: some start as zeros."""
    language = importlib.import_module(f"mlx_vlm.models.{name}.language")
    config = importlib.import_module(f"mlx_vlm.models.{name}.config")
    kind = config.TextConfig if name == "qwen3_5" else config.ModelConfig
    mx.random.seed(7)
    args = kind.from_dict({"model_type": name} | CONFIGS[name])
    model = language.LanguageModel(args, _VISION) if name == "qwen3_5" else language.LanguageModel(args)
    model.update(tree_map(lambda x: x + 0.1 * mx.random.normal(x.shape), model.parameters()))
    mx.eval(model.parameters())
    return model
