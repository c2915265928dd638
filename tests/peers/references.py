"""Our ops beside other packages' own plain-MLX references: outputs, states and gradients, in float32."""

import mlx.core as mx
import numpy as np

BOUND = 1e-5


def compare(ours, theirs, arrays):
    """Both functions return a tuple of outputs of `arrays`, by name; every output counts in the gradients."""
    values, names = list(arrays.values()), list(arrays)
    cotangents = [mx.random.normal(y.shape) for y in theirs(*values)]
    got, got_gradients = mx.vjp(lambda *x: list(ours(*x)), values, cotangents)
    want, want_gradients = mx.vjp(lambda *x: list(theirs(*x)), values, cotangents)
    for i, (x, y) in enumerate(zip(got, want, strict=True)):
        assert_close(x, y, f"output {i}")
    for name, x, y in zip(names, got_gradients, want_gradients):
        assert_close(x, y, f"gradient of {name}")


def assert_close(got, want, what):
    assert got.shape == want.shape and got.dtype == want.dtype
    got, want = (np.array(x, np.float64) for x in (got, want))
    error, scale = (np.sqrt(np.mean(x**2)) for x in (got - want, want))
    assert error <= BOUND * scale, f"{what}: rms of the error {error:.1e}, of what is wanted {scale:.1e}"
