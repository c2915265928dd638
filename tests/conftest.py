"""Shared by all tests: the ops, and the markers of tests that need a GPU or FULL=1."""

import os
import re

# On NVIDIA GPUs MLX multiplies float32 in TF32 by default, which exceeds our bounds.
os.environ.setdefault("MLX_ENABLE_TF32", "0")
# Optimising takes most of a cold run; tests of optimised builds ask for them.
os.environ.setdefault("LOADER_BUILD", "quick")
# With several GPUs MLX makes the last one current while it computes on the first, and copies between them fail.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")

# The cuda engine without a GPU: its kernels run on NumPy.
EMULATE = os.environ.get("EMULATE_CUDA") == "1"
if EMULATE:
    os.environ["LOADER_BACKEND"] = "cuda"

import mlx.core as mx  # noqa: E402
import pytest  # noqa: E402

if EMULATE:
    mx.cuda.is_available = lambda: True

from oracle import FULL  # noqa: E402

import loader  # noqa: E402

if EMULATE:
    from ptx.emulator import Emulator

    from loader.portable import cuda

    mx.fast.cuda_kernel, cuda.ready, cuda.LAZY = Emulator(), lambda arrays: True, False


def pytest_collection_modifyitems(config, items):
    if not FULL:
        config.hook.pytest_deselected(items=[item for item in items if _only_full(item)])
        items[:] = [item for item in items if not _only_full(item)]
    # The longest first, so that no process starts one at the end.
    items.sort(key=lambda item: not re.match("test_every_(op_is_clean|kernel)", item.name))
    if mx.default_device() != mx.Device(mx.gpu):
        skip = pytest.mark.skip(reason="needs a GPU that MLX can use")
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(skip)


def _only_full(item):
    """Whether the exhaustive tests alone run this one: it is marked `full`, and not for one of the ops in `but`."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    op = parameters["op"].spec.name if "op" in parameters else parameters.get("name")
    return any(op not in mark.kwargs.get("but", ()) for mark in item.iter_markers("full"))


@pytest.fixture(autouse=True)
def _same_numbers_in_every_run():
    """By itself MLX takes its seed from the clock."""
    mx.random.seed(0)


def pytest_generate_tests(metafunc):
    """A test with an argument `op` runs for every op of the manifest."""
    if "op" in metafunc.fixturenames:
        names = loader.names()
        metafunc.parametrize("op", [loader.get(name) for name in names], ids=names)


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden MSL units anew")
