"""short_conv beyond what the manifest draws: silu, every number of taps, sums over long sequences."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import assert_close, draw, truth
from test_parity import call, poisoned

import loader
from loader import nn

op = loader.get("short_conv")


def check(taps, width, length, dtypes=None, silu=True, present=("bias", "initial_state", "reset")):
    sizes = {"B": 2, "L": length, "K": taps, "D": width}
    inputs = draw(op, sizes, present, dtypes, seed=length)
    names = [array.name for array in op.spec.inputs if array.name in inputs and array.differentiable]

    def function(*arrays):
        given = {**inputs, **dict(zip(names, arrays))}
        return call(lambda *x, **k: poisoned("short_conv")(*x, silu=silu, **k), op, given)

    outputs = call(op.reference, op, inputs)
    rng = np.random.default_rng(0)
    cotangents = [mx.array(rng.normal(size=y.shape).astype(np.float32)).astype(y.dtype) for y in outputs]
    outputs, gradients = mx.vjp(function, [inputs[name] for name in names], cotangents)
    want, want_gradients = truth(op, inputs, cotangents, silu=silu)
    for got, one, what in zip(outputs, want, ("y", "final_state")):
        assert_close(op, got, one, what)
    for name, got in zip(names, gradients):
        assert_close(op, got, want_gradients[name], f"grad_{name}")


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 130, 300])
def test_silu(length):
    check(4, 40, length)


@pytest.mark.full("each number of taps and dtype is a program of its own")
@pytest.mark.parametrize("taps", range(2, 9))
def test_every_number_of_taps(taps):
    dtype = ("bfloat16", "float16", "float32")[taps % 3]
    for length in (1, 5, 33, 140):
        check(taps, 33, length, {"x": dtype, "weight": "float32", "bias": dtype}, silu=taps % 2 == 0)


def test_gradients_that_add_up_over_all_steps():
    """Steady inputs, whose terms all have one sign: 65,536 steps and 300 rows, which MLX adds up in turn."""
    for batch, length in ((1, 65536), (300, 16)):
        x, weight, bias = mx.full((batch, length, 40), 0.7), mx.ones((4, 40)), mx.zeros(40)
        cotangent = mx.full(x.shape, 0.3)
        _, (_, grad_weight, grad_bias) = mx.vjp(lambda *a: op(a[0], a[1], bias=a[2]), [x, weight, bias], [cotangent])
        product = float(np.float32(0.7)) * float(np.float32(0.3))
        want = [batch * (length - 3 + i) * product for i in range(4)]
        np.testing.assert_allclose(np.array(grad_weight), np.repeat(want, 40).reshape(4, 40), rtol=5e-6)
        np.testing.assert_allclose(np.array(grad_bias), batch * length * float(np.float32(0.3)), rtol=5e-6)


def test_taps_that_the_op_does_not_take_are_refused():
    with pytest.raises(ValueError, match=r"\[short_conv\] expected K, the taps of weight, to be from 2 to 8 \(K = 9\)"):
        op(mx.ones((1, 4, 3)), mx.ones((9, 3)))


@pytest.mark.parametrize("taps", [1, 2, 9])
def test_the_layer_takes_any_number_of_taps(taps):
    layer, x = nn.CausalConv(5, taps), mx.random.normal((2, 11, 5))
    reset = mx.arange(11)[None] == mx.array([[0], [4]])
    y, past = layer(x, reset=reset)
    windows = mx.pad(x, [(0, 0), (taps - 1, 0), (0, 0)])
    want = sum(layer.weight[i] * windows[:, i : i + 11] for i in range(taps))
    assert y.shape == x.shape and past.shape == (2, taps - 1, 5)
    assert mx.allclose(y[0], want[0], atol=1e-5)
    assert mx.allclose(y[1, 4:], layer(x[1:, 4:])[0][0], atol=1e-5)
