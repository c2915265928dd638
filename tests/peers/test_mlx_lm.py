"""All kernels of mlx-lm compile and run; all but the four of its losses are right, and validation finds nothing."""

import fused_cases  # noqa: F401
import mlx.core as mx
import model_cases  # noqa: F401
import peer
import pytest

LOSSES = {"kl_forward", "kl_backward", "js_forward", "js_backward"}


def each_case(*dtypes):
    cases = [case for case in peer.CASES if case[1] in dtypes]
    return pytest.mark.parametrize("kernel, dtype, compare", cases, ids=peer.name)


def test_every_call_site_has_a_case():
    assert len(peer.sites()) == 20
    assert {kernel.site for kernel in peer.KERNELS.values()} == set(peer.sites())
    compared = {kernel for kernel, *_ in peer.CASES}
    assert compared.isdisjoint(LOSSES) and compared | LOSSES == set(peer.KERNELS)
    assert len({peer.KERNELS[kernel].site for kernel in compared}) == 16


@each_case(*peer.BOUNDS)
def test_matches(kernel, dtype, compare):
    before = peer.KERNELS[kernel].calls
    peer.assert_close(*compare(dtype), dtype)
    assert peer.KERNELS[kernel].calls > before


# Which elements a kernel touches, and when, is the same in float16.
@peer.validates
@each_case(mx.float32, mx.bfloat16)
def test_validation_finds_nothing(kernel, dtype, compare):
    before = peer.KERNELS[kernel].calls
    with peer.validating(peer.KERNELS[kernel]):
        peer.assert_close(*compare(dtype), dtype)
    assert peer.KERNELS[kernel].calls > before
