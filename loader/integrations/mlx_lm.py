"""mlx-lm with its recurrences routed to our ops."""

from contextlib import AbstractContextManager

from .patching import Patch, Patched

_PATCH = Patch("mlx_lm", "mlx_lm_routes", "mlx-lm==0.32.2", "patch_mlx_lm")


def patch_mlx_lm() -> Patched:
    """Route the recurrences of mlx-lm's models to the ops, in training and in inference.

    mlx-lm loops over time in Python in most of them where it trains, and where it runs on no Apple GPU. From here on
    the gated delta rule (Qwen3-Next, Qwen3.5, Kimi Linear, OLMo Hybrid, ...) is `gated_delta`, state space duality
    (Mamba-2, Nemotron-H, Falcon-H1, Granite, PLaMo 2) `ssd`, Mamba's and Jamba's scan `selective_scan`,
    RecurrentGemma's `rglru`, RWKV-7 `dplr`, and the linear attention of Bailing MoE Linear and Bailing Hybrid
    `gla`. Arguments, results, masks, caches and dtypes stay as they were. What mx.compile has traced before keeps what
    it was traced with.

    Models made before and after, and modules imported before and after, use the ops, yours as well where they bind a
    function by name (`from mlx_lm.models.ssm import ssm_update`). What holds it otherwise, such as an attribute of a
    class or an object, a list, a partial or a default argument, keeps what it holds, both here and in unpatching.
    Patching twice is harmless. Returns the patched names, a list with a method `unpatch`.
    Raises ImportError where mlx-lm is not installed, and LoaderError, with nothing patched, where it has no such
    function or one with other parameters.
    """
    return _PATCH.apply()


def unpatch_mlx_lm() -> None:
    """Put mlx-lm's own functions back wherever `patch_mlx_lm` would find them; harmless where nothing is patched."""
    _PATCH.undo()


def patched_mlx_lm() -> AbstractContextManager[Patched]:
    """`patch_mlx_lm` for the length of a `with`, which gets the patched names.

    Afterwards mlx-lm is as before: within a program that has patched it, patched.
    """
    return _PATCH.applied()
