"""mlx_lm/tuner/losses.py: a barrier is missing in its four kernels, and with it they are right.

Every simdgroup reads all of `shared` for the maximum, and then writes its own sum there: one that runs ahead
overwrites what another has yet to read. As shipped the results depend on the order, so nothing is compared.
"""

import mlx.core as mx
import peer
import pytest
from mlx_lm.tuner import losses

import loader

LOSS = {"kl": losses.kl_div_loss, "js": losses.js_div_loss}
# One row in one pass; and one with a whole block of 4096 and a rest that not all simdgroups have a part of.
SIZES = [1000, 5000]
MAXIMUM = "max_p = simd_max(max_p);\n\n        // Share the sum_exp"
BARRIER = "threadgroup_barrier(mem_flags::mem_threadgroup);\n"

each_loss = pytest.mark.parametrize("loss", LOSS)
each_pass = pytest.mark.parametrize("which", ["forward", "backward"])
each_dtype = pytest.mark.parametrize("dtype", peer.BOUNDS, ids=peer.name)


def run(loss, which, q, p):
    """The losses of rows of logits; of the backward pass, the gradient of the first ones."""
    if which == "forward":
        return [LOSS[loss](q, p)]
    weights = mx.arange(1, 4).astype(q.dtype)
    return [mx.grad(lambda q: (LOSS[loss](q, p) * weights).sum())(q)]


def logits(size, dtype):
    return [2 * peer.normal(3, size, dtype=dtype) for _ in "qp"]


def as_shipped(loss, which):
    return peer.KERNELS[f"{loss}_{which}"]


@pytest.fixture
def repaired(monkeypatch):
    """The kernels with the missing barrier, and barriers that order memory, in the place of those as shipped."""
    kernels = {}
    for loss in LOSS:
        for which in ("forward", "backward"):
            options = as_shipped(loss, which).options
            assert options["source"].count(MAXIMUM) == 1
            options = {
                **options,
                "source": options["source"].replace(MAXIMUM, BARRIER + MAXIMUM).replace("mem_none", "mem_threadgroup"),
            }
            kernels[loss, which] = peer.Kernel(None, options)
            monkeypatch.setattr(losses, f"_{loss}_{which}_kernel", kernels[loss, which])
    return kernels


@peer.validates
@each_loss
@each_pass
@each_dtype
def test_as_shipped_they_run_and_the_race_is_reported(loss, which, dtype):
    q, p = logits(SIZES[0], dtype)
    with peer.on_metal():
        (got,) = run(loss, which, q, p)
        assert got.dtype == dtype and got.shape == (q.shape if which == "backward" else q.shape[:1])
        with peer.validating(as_shipped(loss, which)):
            with pytest.raises(loader.ValidationError, match="order in which the simdgroups .* a barrier is missing"):
                run(loss, which, q, p)


@each_loss
@each_pass
@each_dtype
@pytest.mark.parametrize("size", SIZES)
def test_repaired_they_match(repaired, loss, which, dtype, size):
    if loader.backend() == "cuda" and dtype != mx.float32:
        pytest.skip("they choose between a half and a float with ?:, which CUDA C++ finds ambiguous")
    q, p = logits(size, dtype)
    with peer.on_metal():
        got = run(loss, which, q, p)
    assert repaired[loss, which].calls == 1
    peer.assert_close(got, run(loss, which, *peer.single(q, p)), dtype)


@peer.validates
@each_loss
@each_pass
def test_repaired_validation_finds_nothing(repaired, loss, which):
    kernel = repaired[loss, which]
    with peer.on_metal(), peer.validating(kernel):
        run(loss, which, *logits(SIZES[0], mx.float32))
    assert kernel.calls == 1
