"""What patched models give beside what their package gives as it is."""

import mlx.core as mx
import numpy as np

BOUND = 1e-4


def assert_close(got, want, what=""):
    got, want = (np.array(x, np.float64) for x in (got, want))
    assert got.shape == want.shape
    error, scale = (np.sqrt(np.mean(x**2)) for x in (got - want, want))
    assert error <= BOUND * scale, f"{what}: rms of the error {error:.1e}, of what is wanted {scale:.1e}"


def run_both(patched, function):
    """What a function gives within `patched()`, and as the package is."""
    with patched():
        got = function()
        mx.eval(got)
    return got, function()
