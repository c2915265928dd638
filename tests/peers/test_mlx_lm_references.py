"""The ops that mlx-lm is routed to, against the loops and chunks in MLX's operations that mlx-lm has itself."""

import mlx.core as mx
import pytest
from mlx_lm.models import bailing_moe_linear, gated_delta, recurrent_gemma, ssm
from peer import normal, uniform
from references import assert_close, compare

import loader

B = 2
LENGTHS = [1, 7, 300]

each_length = pytest.mark.parametrize("length", LENGTHS)


def unit(*shape):
    x = normal(*shape)
    return x / mx.linalg.norm(x, axis=-1, keepdims=True)


@each_length
@pytest.mark.parametrize("initial", [False, True], ids=["", "initial"])
def test_ssd(length, initial):
    H, G, Dh, N = 4, 2, 12, 9
    limits = (0.001, 100.0)
    arrays = {
        "x": normal(B, length, H, Dh),
        "A_log": uniform(H),
        "B": normal(B, length, G, N),
        "C": normal(B, length, G, N),
        "D": normal(H),
        "dt": normal(B, length, H) - 3,
        "dt_bias": normal(H),
    }
    if initial:
        arrays["state"] = normal(B, H, Dh, N)

    def ours(x, A_log, keys, queries, D, dt, dt_bias, state=None):
        delta = ssm.compute_dt(dt, dt_bias, limits)
        y, state = loader.get("ssd")(x, delta, keys, queries, -mx.exp(A_log), initial_state=state, return_state=True)
        return y + D[:, None] * x, state

    def theirs(*inputs):
        *inputs, state = inputs if initial else (*inputs, None)
        return ssm.ssm_attn(*inputs, state, limits)

    compare(ours, theirs, arrays)


@each_length
@pytest.mark.parametrize("initial", [False, True], ids=["", "initial"])
def test_rglru(length, initial):
    arrays = {"x": normal(B, length, 33), "a": uniform(B, length, 33)}
    if initial:
        arrays["h0"] = normal(B, 33)

    def ours(x, a, h0=None):
        return loader.get("rglru")(a, x, initial_state=h0, return_state=True)

    def theirs(x, a, h0=None):
        return recurrent_gemma.rnn_scan(x, a, h0)

    compare(ours, theirs, arrays)


@each_length
@pytest.mark.parametrize("vector", [False, True], ids=["gate a head", "gate a key"])
@pytest.mark.parametrize("initial", [False, True], ids=["", "initial"])
def test_gated_delta(length, vector, initial):
    Hk, H, Dk, Dv = 2, 4, 20, 12
    arrays = {
        "q": unit(B, length, Hk, Dk),
        "k": unit(B, length, Hk, Dk),
        "v": normal(B, length, H, Dv),
        "g": uniform(B, length, H, *[Dk] * vector),
        "beta": uniform(B, length, H),
    }
    if initial:
        arrays["state"] = normal(B, H, Dv, Dk)

    def ours(*inputs):
        state = inputs[5] if initial else None
        return loader.get("gated_delta")(*inputs[:5], initial_state=state, return_state=True)

    compare(ours, gated_delta.gated_delta_ops, arrays)


@each_length
def test_gla(length):
    H, Dk, Dv = 3, 10, 6
    slope = -uniform(H)
    arrays = {
        "q": normal(B, length, H, Dk),
        "k": normal(B, length, H, Dk),
        "v": normal(B, length, H, Dv),
        "state": normal(B, H, Dk, Dv),
    }

    def ours(q, k, v, state):
        g = mx.broadcast_to(mx.exp(slope), (B, length, H))
        return loader.get("gla")(q, k, v, g, initial_state=state, scale=0.3, return_state=True)

    def theirs(q, k, v, state):
        y, state = bailing_moe_linear.recurrent_gla(*(x.swapaxes(1, 2) for x in (q, k, v)), slope, 0.3, state)
        return y.swapaxes(1, 2), state

    compare(ours, theirs, arrays)


def test_gated_delta_update_with_a_lower_bound_and_a_mask():
    """As Kimi K3 and Bailing MoE V3 call it; what comes out of masked steps is not defined in mlx-lm."""
    H, Dk, Dv, length = 3, 8, 6, 20
    inputs = [unit(B, length, H, Dk), unit(B, length, H, Dk), normal(B, length, H, Dv), normal(B, length, H, Dk)]
    inputs += [normal(B, length, H), normal(H, 1), normal(H, Dk), normal(B, H, Dv, Dk)]
    mask = (mx.arange(length) >= mx.array([[0], [6]])) & (mx.arange(length) < mx.array([[15], [20]]))
    with loader.patched_mlx_lm():
        y, state = gated_delta.gated_delta_update(*inputs, mask, lower_bound=-5.0)
    want, wanted_state = gated_delta.gated_delta_update(*inputs, mask, lower_bound=-5.0)
    assert_close(mx.where(mask[..., None, None], y, 0), mx.where(mask[..., None, None], want, 0), "o")
    assert_close(state, wanted_state, "state")


def test_ssm_update_with_lengths():
    """The state after `lengths` steps, whatever comes after them, with a mask as well or without."""
    H, Dh, N, length = 4, 6, 5, 20
    x, keys, queries = normal(B, length, H, Dh), normal(B, length, 2, N), normal(B, length, 2, N)
    A_log, D, dt, dt_bias, state = normal(H), normal(H), normal(B, length, H), normal(H), normal(B, H, Dh, N)
    lengths = mx.array([9, 20])
    mask = mx.arange(length) < lengths[:, None]
    for given in (mask, None):
        with loader.patched_mlx_lm():
            options = dict(mask=given, lengths=lengths)
            y, after = ssm.ssm_update(x, A_log, keys, queries, D, dt, dt_bias, state, **options)
        for row, count in enumerate([9, 20]):
            at = slice(row, row + 1), slice(count)
            want = ssm.ssm_update(x[at], A_log, keys[at], queries[at], D, dt[at], dt_bias, state[at[0]])
            assert_close(y[at], want[0], "y")
            assert_close(after[at[0]], want[1], "state")
