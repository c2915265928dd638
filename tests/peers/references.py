"""Our ops beside other packages' own plain-MLX references: outputs, states and gradients, in float32."""

import mlx.core as mx

from loader.testing import error

BOUND = 1e-5


def compare(ours, theirs, arrays):
    """Both functions return a tuple of outputs of `arrays`, by name; every output counts in the gradients."""
    values, names = list(arrays.values()), list(arrays)
    cotangents = [mx.random.normal(y.shape) for y in theirs(*values)]
    got, got_gradients = mx.vjp(lambda *x: list(ours(*x)), values, cotangents)
    want, want_gradients = mx.vjp(lambda *x: list(theirs(*x)), values, cotangents)
    named = [f"output {i}" for i in range(len(want))] + [f"gradient of {name}" for name in names]
    for what, x, y in zip(named, [*got, *got_gradients], [*want, *want_gradients], strict=True):
        assert x.dtype == y.dtype, what
        assert_close(x, y, what)


def assert_close(got, want, what="", bound=BOUND):
    found = error(got, want)
    assert found <= bound, f"{what}: error {found:.1e} is above {bound:.0e}"
