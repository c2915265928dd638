"""Kernels of packages that others publish, on the opencl engine. `make peers` runs them, with the extra `peers`."""

import mlx.core as mx
import peer
import pytest

peer.load()


@pytest.fixture(autouse=True)
def reproducible():
    """The same numbers in every run; and mlx-lm's compiled functions op by op, which needs no C++ compiler."""
    mx.random.seed(0)
    mx.disable_compile()
    yield
    mx.enable_compile()
