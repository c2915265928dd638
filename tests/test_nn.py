"""loader.nn against the equations of Griffin's block, stepped through in NumPy and float64."""

import subprocess
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_map, tree_unflatten

import loader
from loader.nn import RGLRU, _sqrt

B, L, WIDTH, HIDDEN = 2, 37, 12, 24


@pytest.fixture(params=[1, 4], ids=["dense", "blocks"])
def block(request):
    mx.random.seed(request.param)
    return RGLRU(WIDTH, HIDDEN, heads=request.param)


def inputs(length=L, dtype=mx.float32):
    return mx.random.normal((B, length, WIDTH)).astype(dtype)


def resets(*steps, length=L):
    return mx.array(np.isin(np.arange(length), steps)[None].repeat(B, axis=0))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def equations(parameters, x, starts=(), c=8.0):
    """y [B, L, width] of the block with float64 `parameters` by name; sequences start at step 0 and at `starts`."""
    p = parameters
    gate, u = np.split(x @ p["enter.weight"].T + p["enter.bias"], 2, axis=-1)
    gate = 0.5 * gate * (1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)))
    heads, size, _ = p["gate_weight"].shape
    taps = len(p["conv.weight"])
    h, start, ys = np.zeros((len(x), heads * size)), 0, []
    for t in range(x.shape[1]):
        if t in starts:
            h, start = np.zeros_like(h), t
        reach = [(i, t - taps + 1 + i) for i in range(taps)]
        v = p["conv.bias"] + sum(p["conv.weight"][i] * u[:, s] for i, s in reach if s >= start)
        blocks = v.reshape(len(x), heads, size)
        products = np.einsum("bhi,hij->bhj", blocks, p["gate_weight"])
        r, i = (sigmoid(w.reshape(v.shape) + b) for w, b in zip(np.split(products, 2, axis=-1), p["gate_bias"]))
        log_a = -c * np.log1p(np.exp(p["decay"])) * r
        h = np.exp(log_a) * h + np.sqrt(1 - np.exp(2 * log_a)) * i * v
        ys.append((gate[:, t] * h) @ p["leave.weight"].T + p["leave.bias"])
    return np.stack(ys, axis=1)


def named(tree):
    return {name: np.array(x.astype(mx.float32), np.float64) for name, x in tree_flatten(tree)}


def close(got, want, limit=1e-5):
    got, want = (np.array(x.astype(mx.float32) if isinstance(x, mx.array) else x, np.float64) for x in (got, want))
    error = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
    assert error <= limit, f"error {error:.1e}"


@pytest.mark.parametrize("starts", [(), (1,), (0, 20, 22), (36,)])
def test_the_equations(block, starts):
    x = inputs()
    want = equations(named(block.parameters()), np.array(x, np.float64), starts)
    close(block(x, reset=resets(*starts)), want)
    if not starts:
        close(block(x), want)


def test_gradients_are_finite_differences_of_the_equations(block):
    x, starts = inputs(9), (4,)
    weights = np.cos(np.arange(B * 9 * WIDTH)).reshape(B, 9, WIDTH)
    target = mx.array(weights.astype(np.float32))

    def loss(block, x):
        return (block(x, reset=resets(*starts, length=9)) * target).sum()

    gradients = named(nn.value_and_grad(block, loss)(block, x)[1])
    parameters, rng = named(block.parameters()), np.random.default_rng(0)
    gradients["x"] = np.array(mx.grad(lambda x: loss(block, x))(x), np.float64)
    parameters["x"] = np.array(x, np.float64)
    for name, gradient in gradients.items():
        way = rng.normal(size=gradient.shape)

        def moved(step, name=name, way=way):
            given = {**parameters, name: parameters[name] + step * way}
            return (equations(given, given["x"], starts) * weights).sum()

        slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
        assert np.isclose((gradient * way).sum(), slope, rtol=1e-4, atol=1e-4), name


@pytest.mark.parametrize("dtype, limit", [(mx.float32, 1e-5), (mx.float16, 2e-3), (mx.bfloat16, 2e-2)])
def test_dtypes(block, dtype, limit):
    block.set_dtype(dtype)
    x, cache = inputs(dtype=dtype), block.make_cache()
    y = block(x, cache)
    assert y.dtype == dtype and cache[0].dtype == dtype and cache[1].dtype == mx.float32
    close(y, equations(named(block.parameters()), np.array(x.astype(mx.float32), np.float64)), limit)
    a, b = block.coefficients(mx.zeros((B, 3, HIDDEN), dtype))
    assert (a.dtype, b.dtype) == (mx.float32, dtype)


# The cache.


@pytest.mark.parametrize("starts", [(), (0,), (2, 3, 10, 36), tuple(range(0, L, 2))])
@pytest.mark.parametrize("cuts", [(1,), (2, 3, 5), (10, 11, 36), (20, 20), tuple(range(1, L))])
def test_pieces_equal_one_call(block, starts, cuts):
    x, reset = inputs(), resets(*starts)
    want, whole = None, block.make_cache()
    want = block(x, whole, reset)
    cache, ys = block.make_cache(), []
    for first, last in zip((0, *cuts), (*cuts, L)):
        ys.append(block(x[:, first:last], cache, reset[:, first:last] if starts else None))
    close(mx.concatenate(ys, axis=1), want)
    if not starts:
        close(block(x), want)
    for got, kept in zip(cache, whole):
        assert got.shape == kept.shape and got.dtype == kept.dtype
        close(got, kept)


def test_the_cache_holds_the_last_inputs_of_the_convolution(block):
    x, cache = inputs(), block.make_cache()
    block(x, cache)
    assert cache[0].shape == (B, 3, HIDDEN) and cache[1].shape == (B, HIDDEN)
    close(cache[0], block.enter(x)[:, -3:, HIDDEN:])


def test_a_cache_of_any_kind_with_items(block):
    x, cache = inputs(), {0: None, 1: None}
    close(mx.concatenate([block(x[:, :5], cache), block(x[:, 5:], cache)], axis=1), block(x))


def test_nothing_leaks_across_packed_sequences(block):
    x = inputs()
    packed = mx.concatenate([x[:1], mx.full((1, 1, WIDTH), 1e6), x[1:]], axis=1)
    reset = loader.reset_from_cu_seqlens([0, L + 1, 2 * L + 1], 2 * L + 1)
    y = block(packed, reset=reset)
    close(y[:, :L], block(x[:1]))
    close(y[:, L + 1 :], block(x[1:]))
    gradient = mx.grad(lambda x: block(x, reset=reset)[:, L + 1 :].sum())(packed)
    assert mx.all(gradient[:, : L + 1] == 0) and mx.any(gradient[:, L + 1 :] != 0)


def test_later_inputs_do_not_reach_earlier_outputs(block):
    x = inputs()
    changed = mx.concatenate([x[:, :20], -x[:, 20:]], axis=1)
    assert mx.array_equal(block(x)[:, :20], block(changed)[:, :20])


@pytest.mark.parametrize("shape", [(B, 0, WIDTH), (0, L, WIDTH)])
def test_no_elements(block, shape):
    cache = block.make_cache()
    assert block(mx.zeros(shape), cache).shape == shape
    assert cache[0].shape == (shape[0], 3, HIDDEN) and cache[1].shape == (shape[0], HIDDEN)


def test_one_tap_keeps_no_inputs():
    block = RGLRU(WIDTH, conv_width=1)
    x, cache = inputs(), block.make_cache()
    close(mx.concatenate([block(x[:, :9], cache), block(x[:, 9:], cache)], axis=1), block(x))
    assert cache[0].shape == (B, 0, WIDTH)


# Parameters and training.


def test_shapes_of_the_parameters(block):
    heads = len(block.gate_weight)
    assert {name: x.shape for name, x in tree_flatten(block.parameters())} == {
        "enter.weight": (2 * HIDDEN, WIDTH),
        "enter.bias": (2 * HIDDEN,),
        "conv.weight": (4, HIDDEN),
        "conv.bias": (HIDDEN,),
        "gate_weight": (heads, HIDDEN // heads, 2 * HIDDEN // heads),
        "gate_bias": (2, HIDDEN),
        "decay": (HIDDEN,),
        "leave.weight": (WIDTH, HIDDEN),
        "leave.bias": (WIDTH,),
    }


def test_the_decay_starts_evenly_between_0_9_and_0_999():
    a = np.sort(np.array(mx.exp(-RGLRU.C * mx.logaddexp(RGLRU(8, 4096).decay, 0))))
    assert 0.9 <= a[0] and a[-1] <= 0.999
    np.testing.assert_allclose(a, np.linspace(0.9, 0.999, 4096), atol=5e-3)


def test_heads_must_divide_the_hidden_width():
    with pytest.raises(ValueError, match=r"\[RGLRU\] expected heads to divide hidden, 24, but got 5"):
        RGLRU(WIDTH, HIDDEN, heads=5)


def test_the_root_and_its_held_derivative():
    x = mx.array([0.0, 1e-12, 2.4e-7, 2.6e-7, 1e-3, 0.5, 1.0])
    np.testing.assert_allclose(_sqrt(x), np.sqrt(np.array(x)), rtol=1e-6)
    want = np.minimum(1000, 0.5 / np.sqrt(np.maximum(np.array(x, np.float64), 1e-30)))
    np.testing.assert_allclose(mx.grad(lambda x: _sqrt(x).sum())(x), want, rtol=1e-5)


@pytest.mark.parametrize("bias", [-200.0, -30.0, 200.0])
def test_gradients_are_finite_where_a_is_0_or_1(block, bias):
    block.gate_bias = mx.full(block.gate_bias.shape, bias)
    _, gradients = nn.value_and_grad(block, lambda m, x: (m(x) ** 2).mean())(block, inputs())
    assert all(mx.isfinite(g).all() for _, g in tree_flatten(gradients))


def test_near_a_of_1_the_factor_keeps_its_digits(block):
    block.gate_bias = mx.stack([mx.full((HIDDEN,), -14.0), block.gate_bias[1]])
    x = inputs()
    close(block(x), equations(named(block.parameters()), np.array(x, np.float64)))


def test_training_lowers_the_loss_and_moves_every_parameter(block):
    x = inputs()
    before = tree_map(mx.array, block.parameters())
    step, optimizer = nn.value_and_grad(block, lambda m: ((m(x) - mx.roll(x, 3, axis=1)) ** 2).mean()), optim.Adam(1e-2)
    losses = []
    for _ in range(30):
        loss, gradients = step(block)
        optimizer.update(block, gradients)
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    for (name, x), (_, y) in zip(tree_flatten(before), tree_flatten(block.parameters())):
        assert not mx.array_equal(x, y), name


def test_parameters_can_be_loaded(block):
    copy, x = RGLRU(WIDTH, HIDDEN, heads=len(block.gate_weight)), inputs()
    copy.update(tree_unflatten(tree_flatten(block.parameters())))
    assert mx.array_equal(copy(x), block(x))


def test_nn_is_imported_at_its_first_use():
    code = "import sys, loader; assert 'mlx.nn' not in sys.modules; loader.nn.RGLRU; assert 'mlx.nn' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="module 'loader' has no attribute 'nm'"):
        loader.nm  # noqa: B018
