"""mlx-vlm, which has copies of mlx-lm's models, with its recurrences routed to our ops."""

from contextlib import AbstractContextManager

from .patching import Patch, Patched

_PATCH = Patch("mlx_vlm", "mlx_vlm_routes", "mlx-vlm==0.7.10", "patch_mlx_vlm")


def patch_mlx_vlm() -> Patched:
    """Route the recurrences of mlx-vlm's models to the ops, as `patch_mlx_lm` does those of mlx-lm, which mlx-vlm does
    not use.

    From here on both of its gated delta rules (Qwen3.5 and what is made of it; Qwen3-Next, Kimi Linear, Kimi K3, GLM 5)
    are `gated_delta`, also with `state_steps`, the states after each of the first steps, and with a `cache` that keeps
    them for speculative decoding; state space duality (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2) is `ssd`,
    Mamba's and Jamba's scan `selective_scan`, RecurrentGemma's `rglru`, RWKV-7 `dplr`, and the linear
    attention of Bailing MoE Linear `gla`. Arguments, results, masks, caches and dtypes stay as they were. What is
    patched where, and what keeps what it holds, is as for `patch_mlx_lm`.
    Patching twice is harmless. Returns the patched names, a list with a method `unpatch`.
    Raises ImportError where mlx-vlm is not installed, and LoaderError, with nothing patched, where it has no such
    function or one with other parameters.
    """
    return _PATCH.apply()


def unpatch_mlx_vlm() -> None:
    """Put mlx-vlm's own functions back wherever `patch_mlx_vlm` would find them; harmless where nothing is patched."""
    _PATCH.undo()


def patched_mlx_vlm() -> AbstractContextManager[Patched]:
    """`patch_mlx_vlm` for the length of a `with`, which gets the patched names.

    Afterwards mlx-vlm is as before: within a program that has patched it, patched.
    """
    return _PATCH.applied()
