"""Other packages with their recurrences routed to the ops of this one: mlx-lm, and mlx-vlm, whose models are copies of
mlx-lm's."""

from contextlib import AbstractContextManager

from .patching import Patch, Patched

_MLX_LM = Patch("mlx_lm", "mlx_lm_routes", "mlx-lm==0.32.2", "patch_mlx_lm")
_MLX_VLM = Patch("mlx_vlm", "mlx_vlm_routes", "mlx-vlm==0.7.10", "patch_mlx_vlm")


def patch_mlx_lm() -> Patched:
    """Make mlx-lm's models call the ops, in training and in inference.

    Most recurrences of mlx-lm are Python loops over time in training, and on machines without an Apple GPU. After this
    call the gated delta rule (Qwen3-Next, Qwen3.5, Kimi Linear, OLMo Hybrid, ...) is `gated_delta`, state space duality
    (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2) `ssd`, Mamba's and Jamba's scan `selective_scan`,
    RecurrentGemma's `rglru`, RWKV-7 `dplr`, and the linear attention of Bailing MoE Linear and Bailing Hybrid
    `gla`. With the opencl and cuda engines every depthwise `mlx.nn.Conv1d` of 2 to 8 taps without padding, as those in
    front of recurrences, is `short_conv` from 64 steps on; it has no second derivative. Arguments, results, masks,
    caches and dtypes stay as they were.

    The patch reaches all models, also those made before, and every module that imports a function by name, also yours
    (`from mlx_lm.models.ssm import ssm_update`). It does not reach functions that mx.compile has traced already, and
    references held in an attribute, a list, a partial or a default argument; nor does unpatching. Patching twice is
    harmless. Returns the patched names, a list with a method `unpatch`.
    Raises ImportError if mlx-lm is not installed. If a function is missing or has other parameters, raises LoaderError
    and patches nothing.
    """
    return _MLX_LM.apply()


def unpatch_mlx_lm() -> None:
    """Restore mlx-lm's functions wherever `patch_mlx_lm` finds them; harmless if nothing is patched."""
    _MLX_LM.undo()


def patched_mlx_lm() -> AbstractContextManager[Patched]:
    """A context manager that patches mlx-lm within a `with` and returns the patched names.

    Afterwards mlx-lm is as before: still patched if it was.
    """
    return _MLX_LM.applied()


def patch_mlx_vlm() -> Patched:
    """Make mlx-vlm's models call the ops, as `patch_mlx_lm` does for mlx-lm, whose models mlx-vlm does not use.

    After this call both of its gated delta rules (Qwen3.5 and its derivatives; Qwen3-Next, Kimi Linear, Kimi K3, GLM
    5) are `gated_delta`, also with `state_steps`, which returns the states after the first steps, and with a `cache`
    that stores them for speculative decoding; state space duality (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2)
    is `ssd`, Mamba's and Jamba's scan `selective_scan`, RecurrentGemma's `rglru`, RWKV-7 `dplr`, and the linear
    attention of Bailing MoE Linear `gla`; depthwise convolutions are `short_conv` as there. Arguments, results, masks,
    caches and dtypes stay as they were. The patch reaches the same kinds of references as `patch_mlx_lm`. Patching
    twice is harmless. Returns the patched names, a list with a method `unpatch`. Raises ImportError if mlx-vlm is not
    installed. If a function is missing or has other parameters, raises LoaderError and patches nothing."""
    return _MLX_VLM.apply()


def unpatch_mlx_vlm() -> None:
    """Restore mlx-vlm's functions wherever `patch_mlx_vlm` finds them; harmless if nothing is patched."""
    _MLX_VLM.undo()


def patched_mlx_vlm() -> AbstractContextManager[Patched]:
    """A context manager that patches mlx-vlm within a `with` and returns the patched names.

    Afterwards mlx-vlm is as before: still patched if it was.
    """
    return _MLX_VLM.applied()
