"""Recurrences over many thousand steps, where what is rounded alike at every step adds up, against float64."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import error
from test_gates import gradients

import loader
from loader.operators import OPERATORS

pytestmark = pytest.mark.skipif(
    loader.backend() == "reference", reason="the reference has one float32 of state, and a graph of a node a step"
)
LONG = 262144


def recurrence(a, b, h):
    """h[t] = a[t] * h[t-1] + b[t], with time first."""
    found = np.empty(b.shape, np.result_type(a, b, h))
    for t in range(len(b)):
        found[t] = h = a[t] * h + b[t]
    return found


def adjoints(a, grad):
    """G[t] = grad[t] + conj(a[t+1]) * G[t+1]."""
    after = np.concatenate([a[1:], np.zeros_like(a[:1])])
    return recurrence(np.conj(after[::-1]), grad[::-1], 0)[::-1]


def assert_each_channel(got, want, what):
    """The promise of float32, held by every channel [B, L, D] on its own."""
    got = np.array(got)[0]
    for channel in range(got.shape[-1]):
        found = error(mx.array(got[..., channel]), mx.array(want[..., channel].copy(), dtype=mx.float64))
        assert found <= 1e-5, f"{what}, channel {channel}: error {found:.1e}"


def inputs_of(length):
    """Gates and inputs of a channel for each pair."""
    rng = np.random.default_rng(0)
    kinds = [np.full(length, 0.1), rng.random(length), rng.standard_normal(length)]
    gates = np.array([1.0, 0.9999, 0.999, -0.9999], np.float32)
    a = np.repeat(gates, len(kinds))[None].repeat(length, 0)
    return a, np.tile(np.stack(kinds, 1), len(gates)).astype(np.float32)


def test_rglru():
    a, b = inputs_of(LONG)
    op = loader.get("rglru")
    given = {"a": mx.array(a)[None], "b": mx.array(b)[None]}
    cotangents = [mx.array(b)[None, ::-1], mx.zeros((1, b.shape[1]))]
    outputs, found = gradients(op, given, cotangents)
    a, b = a.astype(np.float64), b.astype(np.float64)
    h, G = recurrence(a, b, 0), adjoints(a, b[::-1])
    assert_each_channel(outputs[0], h, "y")
    assert_each_channel(found["b"], G, "grad_b")
    assert_each_channel(found["a"], np.concatenate([0 * h[:1], h[:-1]]) * G, "grad_a")


def scanned(name):
    """Values of a channel each, what they combine to, and the derivatives by the earlier value and by the later."""
    rng = np.random.default_rng(0)
    if name == "mul":
        noise = 1e-3 * rng.standard_normal((LONG, 1))
        x = np.concatenate([1 + noise, np.full((LONG, 1), 1 + 1e-5), np.full((LONG, 1), -1 + 1e-5)], 1)
    else:
        x = np.concatenate([np.full((LONG, 1), 0.1), rng.random((LONG, 1)), rng.standard_normal((LONG, 1))], 1)
    x = x.astype(np.float32)
    wide = x.astype(np.float64)
    y = {"add": np.add, "mul": np.multiply, "logaddexp": np.logaddexp}[name].accumulate(wide)
    before = np.concatenate([y[:1], y[:-1]])
    if name == "mul":
        keep, take = wide, np.concatenate([np.ones_like(y[:1]), y[:-1]])
    elif name == "add":
        keep = take = np.ones_like(y)
    else:
        keep, take = np.exp(before - y), np.exp(wide - y)
    return x, y, keep, take


@pytest.mark.parametrize("name", ["add", "mul", "logaddexp"])
def test_associative_scan(name):
    op, number = loader.get("associative_scan"), list(OPERATORS).index(name)
    x, y, keep, take = scanned(name)
    grad = np.random.default_rng(1).random(x.shape).astype(np.float32)
    cotangents = [mx.array(grad)[None], mx.zeros((1, x.shape[1]))]
    outputs, found = gradients(op, {"x": mx.array(x)[None]}, cotangents, operator=number)
    assert_each_channel(outputs[0], y, "y")
    assert_each_channel(found["x"], take * adjoints(keep, grad.astype(np.float64)), "grad_x")


@pytest.mark.parametrize("length", [1024, 16384])
@pytest.mark.parametrize("constant", [0.0, 1.0], ids=["state", "input"])
def test_rotlru_with_constant_gates(length, constant):
    """The LRU's usual form: the state alone, and a constant input."""
    angle = np.array([0.3, 0.3, 1.0, 1.0, 1.0, 0.01, 2.5, 0.0], np.float32)
    a = np.array([0.99, 0.999, 0.999, 0.9999, 1.0, 0.999, 0.9999, 0.9999], np.float32)
    gates = {"a": a, "cos": np.cos(angle), "sin": np.sin(angle)}
    given = {key: mx.broadcast_to(mx.array(value), (1, length, len(a))) for key, value in gates.items()}
    given["b"] = mx.broadcast_to(mx.array([constant, 0.0] * len(a)), (1, length, 2 * len(a)))
    given["initial_state"] = mx.array([[1.0, 0.0] * len(a)])
    cotangents = [mx.ones_like(given["b"]), mx.zeros((1, 2 * len(a)))]
    outputs, found = gradients(loader.get("rotlru"), given, cotangents)

    size, cos, sin = (np.broadcast_to(value.astype(np.float64), (length, len(a))) for value in gates.values())
    z = size * (cos + 1j * sin)
    h = recurrence(z, np.full(z.shape, constant), 1.0)
    G = adjoints(z, np.full(z.shape, 1 + 1j))
    X = G * np.conj(np.concatenate([np.ones_like(h[:1]), h[:-1]]))
    # Of its own size alone a gradient by a is what is left of larger terms, so those by the gates go together.
    got = mx.concatenate([found[key] for key in gates], axis=1)
    want = np.concatenate([cos * X.real + sin * X.imag, size * X.real, size * X.imag])
    assert_each_channel(got, want, "gradients of the gates")
    for got, want, what in ((outputs[0], h, "y"), (found["b"], G, "grad_b")):
        parts = got.reshape(length, len(a), 2).transpose(0, 2, 1).reshape(1, 2 * length, len(a))
        assert_each_channel(parts, np.stack([want.real, want.imag], 1).reshape(2 * length, len(a)), what)
