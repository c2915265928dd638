"""The ops that mlx-lm is routed to, against the loops and chunks in MLX's operations that mlx-lm has itself."""

import mlx.core as mx
import pytest
from mlx_lm.models import bailing_moe_linear, gated_delta, recurrent_gemma, ssm
from peer import normal, uniform
from references import compare

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


# Masked steps: (mask, lengths). mlx-lm's caches have left padding in the mask, and in `lengths` where a row ends.
STEPS = mx.arange(20)
LEFT = STEPS >= mx.array([[5], [0]])
MASKS = {
    "left": (LEFT, None),
    "right": (STEPS < mx.array([[20], [13]]), None),
    "holes": (STEPS * mx.array([[7], [3]]) % 5 > 1, None),
    "no steps": (STEPS < mx.array([[0], [11]]), None),
    "lengths": (None, mx.array([0, 13])),
    "lengths of pieces": (None, mx.array([-3, 25])),
    "left and lengths": (LEFT, mx.array([17, 13])),
    "ones and lengths": (mx.ones_like(LEFT), mx.array([4, 20])),
    "numbers and lengths": (LEFT.astype(mx.float32), mx.array([4, 20])),
}


def delta_arguments(per_key):
    """The arguments of gated_delta_update without a state; with a gate a key, as Kimi K3 has them."""
    length, Hk, H, Dk, Dv = len(STEPS), 2, 4, 20, 12
    arrays = {
        "q": unit(B, length, Hk, Dk),
        "k": unit(B, length, Hk, Dk),
        "v": normal(B, length, H, Dv),
        "a": normal(B, length, H, *[Dk] * per_key),
        "b": normal(B, length, H),
        "A_log": normal(H, *[1] * per_key),
        "dt_bias": normal(H, *[Dk] * per_key),
    }
    return arrays, (H, Dv, Dk)


def duality_arguments():
    H, G, Dh, N = 4, 2, 12, 9
    arrays = {
        "hidden_states": normal(B, len(STEPS), H, Dh),
        "A_log": uniform(H),
        "B": normal(B, len(STEPS), G, N),
        "C": normal(B, len(STEPS), G, N),
        "D": normal(H),
        "dt": normal(B, len(STEPS), H) - 3,
        "dt_bias": normal(H),
    }
    return arrays, (H, Dh, N)


def masked(module, name, arrays, shape, options, padding, initial, mask, lengths):
    """Compare a route, with `padding` in masked steps, to mlx-lm's function on the other steps of each row alone."""
    valid = mx.ones_like(LEFT) if mask is None else mask.astype(mx.bool_)
    valid = valid if lengths is None else valid & (STEPS < lengths[:, None])
    rows = [mx.array([t for t, holds in enumerate(row) if holds], mx.int32) for row in valid.tolist()]
    timed = {each for each, x in arrays.items() if x.shape[:2] == LEFT.shape}
    for each in timed:
        x = arrays[each]
        arrays[each] = mx.where(valid.reshape(valid.shape + (1,) * (x.ndim - 2)), x, padding)
    if initial:
        arrays["state"] = normal(B, *shape)

    def ours(*inputs):
        with loader.patched_mlx_lm():
            given = options | ({"mask": mask} if lengths is None else {"mask": mask, "lengths": lengths})
            return getattr(module, name)(**dict(zip(arrays, inputs)), **given)

    def theirs(*inputs):
        ys, states = [], []
        for row, steps in enumerate(rows):
            y, state = mx.zeros((1, len(STEPS), *shape[:2])), mx.zeros((1, *shape))
            named = {each: x[row : row + 1] if each in timed | {"state"} else x for each, x in zip(arrays, inputs)}
            if steps.size:
                named |= {each: named[each][:, steps] for each in timed}
                y[:, steps], state = getattr(module, name)(**named, **options)
            ys.append(y)
            states.append(state if steps.size else named.get("state", state))
        return mx.concatenate(ys), mx.concatenate(states)

    compare(ours, theirs, arrays)


each_padding = pytest.mark.parametrize("padding", [float("nan"), float("-inf")], ids=str)
each_initial = pytest.mark.parametrize("initial", [False, True], ids=["", "initial"])


@pytest.mark.parametrize("steps", [name for name, (_, lengths) in MASKS.items() if lengths is None])
@pytest.mark.parametrize("per_key", [False, True], ids=["gate a head", "gate a key"])
@each_padding
@each_initial
def test_masked_steps_of_gated_delta_update(per_key, initial, padding, steps):
    arrays, shape = delta_arguments(per_key)
    options = {"lower_bound": -5.0} if per_key else {}
    masked(gated_delta, "gated_delta_update", arrays, shape, options, padding, initial, *MASKS[steps])


@pytest.mark.parametrize("steps", MASKS)
@each_padding
@each_initial
def test_masked_steps_of_ssm_update(initial, padding, steps):
    masked(ssm, "ssm_update", *duality_arguments(), {}, padding, initial, *MASKS[steps])
