"""loader's gated_delta against mlx-lm's loop over time: outputs, states, masks and gradients."""

import mlx.core as mx
import pytest
from mlx_lm.models.gated_delta import gated_delta_ops
from references import assert_close

import loader

gated_delta = loader.get("gated_delta")


def draw(per_key, length=70, heads=4, groups=2, keys=64, values=32):
    gates = (2, length, heads, keys) if per_key else (2, length, heads)
    q, k = (mx.random.uniform(-0.2, 0.2, (2, length, groups, keys)) for _ in range(2))
    v = mx.random.normal((2, length, heads, values))
    g, beta = mx.random.uniform(0.5, 1, gates), mx.random.uniform(0, 1, (2, length, heads))
    return (q, k, v, g, beta), mx.random.normal((2, heads, values, keys))


@pytest.mark.parametrize("per_key", [False, True])
def test_outputs_and_states(per_key):
    arrays, state = draw(per_key)
    got = gated_delta(*arrays, initial_state=state, return_state=True)
    for x, y in zip(got, gated_delta_ops(*arrays, state)):
        assert_close(x, y)


def test_a_mask_is_a_rate_of_0_and_a_gate_of_1():
    (q, k, v, g, beta), state = draw(False)
    mask = mx.random.uniform(shape=g.shape[:2]) < 0.7
    want, want_state = gated_delta_ops(q, k, v, g, beta, state, mask)
    g, beta = mx.where(mask[..., None], g, 1), mx.where(mask[..., None], beta, 0)
    got, got_state = gated_delta(q, k, v, g, beta, initial_state=state, return_state=True)
    assert_close(mx.where(mask[..., None, None], got, 0), mx.where(mask[..., None, None], want, 0))
    assert_close(got_state, want_state)


@pytest.mark.parametrize("per_key", [False, True])
def test_gradients(per_key):
    arrays, state = draw(per_key)
    weight = mx.random.normal(arrays[2].shape)

    def ours(*inputs):
        return (weight * gated_delta(*inputs[:-1], initial_state=inputs[-1])).sum()

    def theirs(*inputs):
        return (weight * gated_delta_ops(*inputs)[0]).sum()

    for x, y in zip(*(mx.grad(f, argnums=list(range(6)))(*arrays, state) for f in (ours, theirs))):
        assert_close(x, y)
