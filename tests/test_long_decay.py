"""Decays so slow that a float32 state would add up the rounding of every step, and sums over as many steps, against
closed forms in float64."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import first, relative

import loader

pytestmark = pytest.mark.skipif(
    loader.backend() == "reference", reason="the reference has one float32 of state, and a graph of a node a step"
)
BOUND = 1e-5
LONG = "other lengths of the same program"
SLOW = [(1e-3, -1.0), (1e-3, -1e-3), (0.1, -0.01)]


def ssd(u, delta, A, h=None):
    one, N = mx.ones((1, u.size, 1, A.shape[-1])), A.shape[-1]
    state = None if h is None else mx.full((1, 1, 1, N), h)
    return loader.get("ssd")(u[None, :, None, None], delta[None, :, None], one, one, A, initial_state=state)


def ssd_of_heads(u, delta, A, h=None):
    """With a head for each number in A, and 64 states alike, which makes matrices of the chunks."""
    one, H = mx.ones((1, u.size, 1, 64)), A.size
    u, delta = (mx.broadcast_to(x[None, :, None], (1, u.size, H)) for x in (u, delta))
    state = None if h is None else mx.full((1, H, 1, 64), h)
    return loader.get("ssd")(u[..., None], delta, one, one / 64, A.reshape(H), initial_state=state).sum(axis=2)


def selective_scan(u, delta, A, h=None):
    one = mx.ones((1, u.size, A.shape[-1]))
    state = None if h is None else mx.full((1, 1, A.shape[-1]), h)
    return loader.get("selective_scan")(u[None, :, None], delta[None, :, None], A, one, one, initial_state=state)


def rglru_gated(u, delta, A, h=None):
    """With the exponential of A, whose powers are then those of the other ops."""
    state = None if h is None else mx.full((1, 1, 1), h)
    return loader.get("rglru_gated")(u[None, :, None], delta[None, :, None], A, initial_state=state)


def check(function, delta, A, L, bases=False):
    """Of each number in A a state, alone and with constant inputs."""
    rates, times = mx.array([A]), mx.full((L,), delta)
    step = np.float64(np.float32(delta))
    exact = np.array(rates[0]).astype(np.float64)[:, None]
    x = step * (np.log(exact) if bases else exact)
    write = np.sqrt(-np.expm1(2 * x)) if bases else step
    t = np.arange(1, L + 1)
    alone = np.exp(x * t).sum(axis=0)
    filled = (write * np.expm1(x * t) / np.expm1(x)).sum(axis=0)
    assert relative(function(mx.zeros(L), times, rates, 1.0).flatten(), alone) <= BOUND
    assert relative(function(mx.ones(L), times, rates).flatten(), filled) <= BOUND


@pytest.mark.parametrize("L", first(1, (10_000, 2_000, 100_000), LONG))
@pytest.mark.parametrize("delta, A", SLOW)
@pytest.mark.parametrize("function", (ssd, ssd_of_heads, selective_scan))
def test_slow_decay(function, delta, A, L):
    check(function, delta, [A], L)


@pytest.mark.parametrize("L", first(1, (2_000, 100_000), LONG))
@pytest.mark.parametrize("delta, base", [(1e-3, 0.5), (1e-3, 0.999), (1e-6, 0.9)])
def test_slow_gated_decay(delta, base, L):
    check(rglru_gated, delta, [base], L, bases=True)


@pytest.mark.parametrize(
    "function, N",
    first(2, [(ssd, 5), (selective_scan, 5), (ssd_of_heads, 5), (ssd, 37)], "programs of their own"),
)
def test_slow_decay_beside_fast_ones(function, N):
    check(function, 1e-3, [-1e-3 if n % 3 else -200.0 for n in range(N)], 50_000)


def gradient(function, x):
    return float(mx.grad(lambda x: function(x).sum())(x).item())


@pytest.mark.parametrize("L", first(1, (4_096, 65_536, 524_288), LONG))
def test_gradient_that_adds_up_over_all_steps(L):
    u, delta, A = mx.full((L,), 0.1), mx.full((L,), 1e-3), mx.array([[-1.0]])
    x, dt, k = np.float64(np.float32(0.1)), np.float64(np.float32(1e-3)), np.arange(L)
    g = np.exp(-dt)
    by_rate = (np.cumsum(k * dt * g**k) * dt * x).sum()
    assert gradient(lambda A: ssd(u, delta, A), A) == pytest.approx(by_rate, rel=BOUND)
    assert gradient(lambda A: ssd_of_heads(u, delta, A), A) == pytest.approx(by_rate, rel=BOUND)
    assert gradient(lambda A: selective_scan(u, delta, A), A) == pytest.approx(by_rate, rel=BOUND)

    one = mx.ones((1, L, 1))
    scan = loader.get("selective_scan")
    skip = gradient(lambda D: scan(u[None, :, None], delta[None, :, None], A, one, one, D=D), mx.ones(1))
    assert skip == pytest.approx(L * x, rel=BOUND)
    # Its two terms cancel where the state is steady: further on the rest is less than they are rounded to.
    if L <= 65_536:
        by_bias = (np.cumsum(g**k) * x - np.cumsum(k * g**k) * dt * x).sum()
        bias = gradient(lambda b: scan(u[None, :, None], delta[None, :, None], A, one, one, delta_bias=b), mx.zeros(1))
        assert bias == pytest.approx(by_bias, rel=BOUND)


@pytest.mark.parametrize("L", first(1, (4_096, 524_288), LONG))
def test_gated_gradient_that_adds_up_over_all_steps(L):
    base, x, k = np.float64(np.float32(0.999)), np.float64(np.float32(0.1)), np.arange(L)
    root = np.sqrt(1 - base**2)
    total = ((L - k) * base**k).sum()
    slope = ((L - k[1:]) * k[1:] * base ** (k[1:] - 1)).sum()
    want = x * (root * slope - base / root * total)
    got = gradient(lambda A: rglru_gated(mx.full((L,), 0.1), mx.ones(L), A), mx.array([[0.999]]))
    assert got == pytest.approx(want, rel=BOUND)


def gated_truth(u, delta, A, limit=1000.0):
    """y and the gradients of its sum by u, delta and A, [L] each but A, in float64. Where A^delta has no slope it
    has the gradient 0."""
    g = A**delta
    log_A = np.log(A) if A > 0 else 0.0
    root = np.sqrt(-np.expm1(2 * delta * log_A)) if A > 0 else np.where(delta > 0, 1.0, 0.0)
    bend = -2 * g * g / np.maximum(2 * root, 1 / limit)
    by_A = delta * A ** (delta - 1) if A > 0 else np.where(delta == 1, 1.0, 0.0)
    inverse = 1 / A if A > 0 else 0.0
    y, h = np.zeros_like(u), 0.0
    for t in range(u.size):
        y[t] = h = g[t] * h + root[t] * u[t]
    before = np.concatenate([[0.0], y[:-1]])
    grads, right = np.zeros((3, u.size)), 0.0
    for t in reversed(range(u.size)):
        r = 1 + right
        right = g[t] * r
        grads[0, t] = r * root[t]
        grads[1, t] = r * log_A * (g[t] * before[t] + u[t] * bend[t])
        grads[2, t] = r * (by_A[t] * before[t] + u[t] * bend[t] * delta[t] * inverse)
    return y, grads[0], grads[1], grads[2].sum()


@pytest.mark.parametrize("base", (0.0, 1e-30, 0.5, 1 - 1e-7, 1.0))
@pytest.mark.parametrize("step", (0.0, 1e-6, 1.0, 50.0, "mixed"))
def test_gates_at_the_ends(base, step):
    rng = np.random.default_rng(0)
    L = 20
    u = rng.normal(size=L).astype(np.float32)
    delta = np.resize([0.0, 1.0, 1e-6, 50.0, 1.0], L) if step == "mixed" else np.full(L, step)
    inputs = [mx.array(u), mx.array(delta.astype(np.float32)), mx.array([[base]])]
    want = gated_truth(*(np.array(x).astype(np.float64) for x in inputs[:2]), np.float64(np.float32(base)))
    got = rglru_gated(*inputs), *mx.grad(lambda *x: rglru_gated(*x).sum(), argnums=(0, 1, 2))(*inputs)
    for name, ours, truth in zip(("y", "grad_u", "grad_delta", "grad_A"), got, want):
        error = np.abs(np.array(ours).astype(np.float64).ravel() - truth).max()
        assert error <= BOUND * max(np.abs(truth).max(), 1e-30), name
