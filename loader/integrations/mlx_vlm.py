"""Makes mlx-vlm's models, which are copies of mlx-lm's, call our ops."""

from contextlib import AbstractContextManager

from .patching import Patch, Patched

_PATCH = Patch("mlx_vlm", "mlx_vlm_routes", "mlx-vlm==0.7.10", "patch_mlx_vlm")


def patch_mlx_vlm() -> Patched:
    """Make mlx-vlm's models call the ops, as `patch_mlx_lm` does for mlx-lm, whose models mlx-vlm does not use.

    After this call both of its gated delta rules (Qwen3.5 and its derivatives; Qwen3-Next, Kimi Linear, Kimi K3, GLM
    5) are `gated_delta`, also with `state_steps`, which returns the states after the first steps, and with a `cache`
    that stores them for speculative decoding; state space duality (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2)
    is `ssd`, Mamba's and Jamba's scan `selective_scan`, RecurrentGemma's `rglru`, RWKV-7 `dplr`, and the linear
    attention of Bailing MoE Linear `gla`. Arguments, results, masks, caches and dtypes stay as they were. The patch
    reaches the same kinds of references as `patch_mlx_lm`. Patching twice is harmless. Returns the patched names, a
    list with a method `unpatch`. Raises ImportError if mlx-vlm is not installed. If a function is missing or has
    other parameters, raises LoaderError and patches nothing."""
    return _PATCH.apply()


def unpatch_mlx_vlm() -> None:
    """Restore mlx-vlm's functions wherever `patch_mlx_vlm` finds them; harmless if nothing is patched."""
    _PATCH.undo()


def patched_mlx_vlm() -> AbstractContextManager[Patched]:
    """A context manager that patches mlx-vlm within a `with` and returns the patched names.

    Afterwards mlx-vlm is as before: still patched if it was.
    """
    return _PATCH.applied()
