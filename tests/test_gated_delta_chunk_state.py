"""gated_delta_chunk_state at the sizes that models have, and as a step of gated_delta."""

import mlx.core as mx
import numpy as np
import pytest
from numpy_ops.gated_delta import gated_delta
from oracle import KERNELS_VMAP, assert_close, call, check, draw, poisoned

import loader

op = loader.get("gated_delta_chunk_state")
# Dk, Dv, Hk, H, the dtype of the activations, a length
CASES = [
    (128, 128, 1, 2, "bfloat16", 130),
    (64, 96, 2, 2, "float32", 63),
    (200, 32, 1, 2, "float16", 65),
    (256, 256, 1, 1, "float32", 129),
]


@pytest.mark.full("each size makes programs of its own, and test_parity.py has one")
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_parity(case):
    *dims, dtype, length = case
    sizes = {"B": 1, "L": length, **dict(zip(("Dk", "Dv", "Hk", "H"), dims))}
    check(poisoned(op.spec.name), draw(op, sizes, ("h0",), dict.fromkeys("kwu", dtype)))


def test_steep_decays():
    """Within a chunk e^-4 a step, so that its beginning is below what float32 holds."""
    inputs = draw(op, {"B": 2, "L": 150, **op.spec.examples[-1]}, ("h0",))
    inputs["g"] = mx.broadcast_to(-4.0 * (mx.arange(150) % 64 + 1)[:, None], inputs["g"].shape)
    check(poisoned(op.spec.name), inputs)


@pytest.mark.parametrize("rate", [-1e-4, 0.0])
def test_a_state_that_fades_slowly(rate):
    """Constant inputs over 65,536 steps, where each chunk errs alike, against the recurrence of numbers in float64."""
    length, values = 65536, {"k": 0.3, "w": 1e-3, "u": 0.9}
    inputs = draw(op, {"B": 1, "L": length, **op.spec.examples[0]})
    inputs |= {key: mx.full(inputs[key].shape, x) for key, x in values.items()}
    gates = (rate * (np.arange(64) + 1)).astype(np.float32)
    inputs["g"] = mx.array(np.resize(gates, inputs["g"].shape))
    (h_out, v_new, final), (grad_u,) = mx.vjp(
        lambda u: call(poisoned(op.spec.name), op, {**inputs, "u": u}),
        [inputs["u"]],
        [mx.zeros((1, length // 64, 1, 1, 1)), mx.ones((1, length, 1, 1)), mx.ones((1, 1, 1, 1))],
    )
    k, w, u = (np.float64(np.float32(x)) for x in values.values())
    left, weights = np.exp(np.float64(gates[-1])), np.exp(np.float64(gates[-1]) - gates)
    state, adjoint, states, grads = 0.0, 1.0, [], []
    for _ in range(length // 64):
        states.append(state)
        state = left * state + k * weights.sum() * (u - w * state)
        grads.append(1 + k * weights * adjoint)
        adjoint = left * adjoint - w * grads[-1].sum()
    assert_close(op, h_out.flatten(), mx.array(states), "h_out")
    assert_close(op, v_new.flatten(), mx.array(np.repeat(u - w * np.array(states), 64)), "v_new")
    assert_close(op, final.flatten(), mx.array([state]), "final")
    assert_close(op, grad_u.flatten(), mx.array(np.concatenate(grads[::-1])), "grad_u")


@pytest.mark.skipif(not KERNELS_VMAP, reason="MLX cannot vmap a kernel inside of a custom_function")
@pytest.mark.filterwarnings("ignore:.*took the plain-MLX reference")
def test_grad_and_vmap_nest_both_ways():
    inputs = draw(op, {"B": 2, "L": 70, **op.spec.examples[-1]}, ("h0",))
    many = [mx.stack([x, 2 * x]) for x in inputs.values()]

    def loss(k, w, u, g, h0):
        return sum((y**2).sum() for y in op(k, w, u, g, h0=h0))

    argnums = list(range(len(many)))
    rows = [mx.grad(loss, argnums=argnums)(*(x[i] for x in many)) for i in range(2)]
    inside = mx.vmap(mx.grad(loss, argnums=argnums))(*many)
    outside = mx.grad(lambda *x: mx.vmap(loss)(*x).sum(), argnums=argnums)(*many)
    for i, want in enumerate(zip(*rows)):
        assert_close(op, inside[i], mx.stack(want), f"grad_{i}")
        assert_close(op, outside[i], mx.stack(want), f"grad_{i}")


def test_forward_exports(tmp_path):
    path, inputs = tmp_path / "forward.mlxfn", draw(op, {"B": 1, "L": 70, **op.spec.examples[-1]})
    mx.export_function(str(path), loader.get(op.spec.name, backend="metal").forward, *inputs.values())
    assert b"gated_delta_chunk_state_forward" in path.read_bytes()


def test_second_order_names_the_op():
    k, *rest = draw(op, {"B": 1, "L": 5, **op.spec.examples[-1]}).values()

    def slope(k):
        return mx.grad(lambda k: (op(k, *rest)[1] ** 2).sum() + op(k, *rest)[2].sum())(k).sum()

    with pytest.raises(NotImplementedError, match=r"\[gated_delta_chunk_state\] has no second-order"):
        mx.grad(slope)(k)


def wy_form(k, v, log_gate, beta):
    """w, u and the cumulated log decay of one head: what a chunk writes is u - w S^T where S enters it."""
    w, u, g = np.empty_like(k), np.empty_like(v), np.empty_like(log_gate)
    for start in range(0, len(k), 64):
        at = slice(start, start + 64)
        g[at] = np.cumsum(log_gate[at])
        rate = beta[at, None]
        decay = np.exp(g[at, None] - g[None, at])
        lower = np.eye(len(rate)) + np.tril(rate * decay * (k[at] @ k[at].T), -1)
        w[at] = np.linalg.solve(lower, rate * np.exp(g[at, None]) * k[at])
        u[at] = np.linalg.solve(lower, rate * v[at])
    return w, u, g


def read_out(q, k, g, h_out, v_new):
    """o of one head, from what enters each chunk and what each step writes."""
    o = np.empty_like(v_new)
    for start in range(0, len(q), 64):
        at = slice(start, start + 64)
        scores = np.tril((q[at] @ k[at].T) * np.exp(np.minimum(g[at, None] - g[None, at], 0)))
        o[at] = np.exp(g[at, None]) * (q[at] @ h_out[start // 64].T) + scores @ v_new[at]
    return o


def test_is_a_step_of_gated_delta():
    whole = loader.get("gated_delta")
    drawn = draw(whole, {"B": 1, "L": 150, "H": 4, "Hk": 2, "Dk": 24, "Dv": 20}, ("initial_state",))
    q, k, v, g, beta, state = (np.array(x).astype(np.float64) for x in drawn.values())
    gate = 0.5 + g / 2
    o, want_state = gated_delta(q, k, v, gate, beta, initial_state=state)

    heads = [wy_form(k[0, :, n // 2], v[0, :, n], np.log(gate[0, :, n]), beta[0, :, n]) for n in range(4)]
    w, u, log_decay = (np.stack(x, axis=1)[None].astype(np.float32) for x in zip(*heads))
    given = {"k": drawn["k"], "h0": drawn["initial_state"]}
    given |= {"w": mx.array(w), "u": mx.array(u), "g": mx.array(log_decay)}
    h_out, v_new, final = (np.array(x).astype(np.float64) for x in call(op, op, given))
    found = [
        read_out(q[0, :, n // 2], k[0, :, n // 2], log_decay[0, :, n], h_out[0, :, n], v_new[0, :, n]) for n in range(4)
    ]
    with mx.stream(mx.cpu):
        assert_close(op, mx.array(final.astype(np.float32)), mx.array(want_state, mx.float64), "final")
        assert_close(op, mx.array(np.stack(found, axis=1)[None].astype(np.float32)), mx.array(o, mx.float64), "o")
