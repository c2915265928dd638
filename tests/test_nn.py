"""loader.nn against the equations of Griffin's block, stepped through in NumPy and float64."""

import copy
import pickle
import re
import subprocess
import sys

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_map, tree_unflatten
from oracle import close

import loader
from loader.maths import bounded_sqrt
from loader.nn import RGLRU, CausalConv

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


class Plus(nn.Module):
    """Two layers in the place of one, as LoRA has them: there is no weight that says how wide it is."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.addition = layer, nn.Sequential(nn.Linear(WIDTH, 3), nn.Linear(3, 2 * HIDDEN))

    def __call__(self, x):
        return self.layer(x) + self.addition(x)


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@pytest.mark.parametrize("wrap", [lambda layer: layer, Plus, nn.Sequential], ids=["linear", "lora", "sequential"])
@pytest.mark.parametrize("shape", [(B, 0, WIDTH), (0, L, WIDTH)])
def test_no_elements(block, shape, wrap, masked, dtype):
    block.enter = wrap(block.enter)
    block.set_dtype(dtype)
    cache, mask = block.make_cache(), mx.ones(shape[:2], mx.bool_) if masked else None
    y = block(mx.zeros(shape, dtype), cache, mask=mask)
    assert y.shape == shape and y.dtype == dtype
    assert cache[0].shape == (shape[0], 3, HIDDEN) and cache[1].shape == (shape[0], HIDDEN)


@pytest.mark.parametrize("bits", [None, 4], ids=["dense", "quantized"])
def test_every_part_of_a_block_is_finite(bits):
    """Names the parts that are not: MLX's products of layers, the convolution, the gates or the scan."""
    for _ in range(5):
        block, x = RGLRU(128), mx.random.normal((B, 5, 128))
        if bits:
            nn.quantize(block, bits=bits)
        enter = block.enter(x)
        gate, u = mx.split(enter, 2, axis=-1)
        v, past = block.conv(u)
        r, i = block.gates(v)
        a, b = block.coefficients(v)
        h, state = loader.get("rglru")(a, b, return_state=True)
        parts = dict(enter=enter, conv=v, past=past, r=r, i=i, a=a, b=b, h=h, state=state, leave=block.leave(gate * h))
        assert [name for name, part in parts.items() if not mx.isfinite(part).all()] == []


@pytest.mark.gpu
@pytest.mark.xfail(strict=False, reason="MLX's kernel for layers as wide as a group, which it has on Hopper alone")
def test_products_of_quantized_layers_as_wide_as_a_group():
    """The product is MLX's alone. The block of the next test is wider, so that MLX takes another kernel."""
    for _ in range(50):
        layer, x = nn.QuantizedLinear(64, 128, group_size=64, bits=4), mx.random.normal((B, 5, 64))
        weight = mx.dequantize(layer.weight, layer.scales, layer.biases, group_size=64, bits=4)
        close(layer(x), x @ weight.T + layer.bias, limit=2e-3)


def test_no_elements_of_quantized_layers():
    block, x = RGLRU(128), mx.random.normal((B, 5, 128))
    nn.quantize(block)
    cache, whole = block.make_cache(), block.make_cache()
    assert block(x[:, :0], cache).shape == (B, 0, 128)
    close(block(x, cache), block(x, whole))


# Padding.

STEPS = mx.arange(L)
# By name, what a call is told of the padding of two rows.
PADDING = {
    "left": {"mask": STEPS >= mx.array([[5], [0]])},
    "right": {"lengths": mx.array([L, 20])},
    "nothing and two steps": {"lengths": mx.array([0, 2])},
    "out of bounds": {"lengths": mx.array([-3, L + 5])},
    "unsigned": {"lengths": mx.array([9, 21], mx.uint32)},
    "both": {"mask": STEPS >= mx.array([[5], [0]]), "lengths": mx.array([30, 3])},
    "holes": {"mask": STEPS * mx.array([[7], [3]]) % 5 > 1},
    "single steps": {"mask": STEPS % 9 == mx.array([[3], [8]])},
    "all": {"mask": mx.zeros((B, L), mx.bool_)},
}
each_padding = pytest.mark.parametrize("padding", PADDING.values(), ids=PADDING)


def valid(padding):
    """The mask, and for each row the steps where it holds."""
    mask = padding.get("mask", mx.ones((B, L), mx.bool_))
    if "lengths" in padding:
        mask = mask & (STEPS < padding["lengths"][:, None])
    return mask, [np.flatnonzero(row) for row in np.array(mask)]


def alone(block, x, steps, cache, reset):
    """y [1, steps of all rows, width] of rows that are run one by one without their padding, and the cache after it."""
    ys, caches = [], []
    for row, at in enumerate(steps):
        one, at = slice(row, row + 1), mx.array(at, mx.int32)
        after = [None if item is None else item[one] for item in cache]
        ys.append(block(x[one, at], after, None if reset is None else reset[one, at]))
        caches.append(after)
    return mx.concatenate(ys, axis=1), [mx.concatenate(items) for items in zip(*caches)]


def used(block, filled):
    """A cache, empty or with what some steps left."""
    cache = block.make_cache()
    if filled:
        block(inputs(6), cache)
    return cache


@each_padding
@pytest.mark.parametrize("starts", [(), (0, 7, 8, 19, 36)], ids=["", "reset"])
@pytest.mark.parametrize("filled", [False, True], ids=["", "filled"])
def test_a_padded_row_gives_what_it_gives_alone(block, filled, starts, padding):
    mask, steps = valid(padding)
    x, reset, cache = inputs(), resets(*starts) if starts else None, used(block, filled)
    want, after = alone(block, x, steps, cache, reset)
    y = block(mx.where(mask[..., None], x, float("nan")), cache, reset, **padding)
    assert not np.array(y)[~np.array(mask)].any()
    near(np.array(y)[np.array(mask)], want[0])
    for got, wanted in zip(cache, after):
        near(got, wanted)
    following = inputs(3)
    near(block(following, cache), block(following, after))


@each_padding
@pytest.mark.parametrize("filled", [False, True], ids=["", "filled"])
def test_gradients_of_padded_rows(block, filled, padding):
    mask, steps = valid(padding)
    x, target, cache, reset = inputs(), inputs(), used(block, filled), resets(7, 19)
    wanted_of_y = [target[row : row + 1, mx.array(at, mx.int32)] for row, at in enumerate(steps)]

    def padded(parameters, x, *cache):
        block.update(parameters)
        after = list(cache) or block.make_cache()
        return (block(x, after, reset, **padding) * target).sum() + sum(mx.cos(item).sum() for item in after)

    def rows(parameters, x, *cache):
        block.update(parameters)
        y, after = alone(block, x, steps, list(cache) or block.make_cache(), reset)
        return (y * mx.concatenate(wanted_of_y, axis=1)).sum() + sum(mx.cos(item).sum() for item in after)

    arguments = [block.parameters(), mx.where(mask[..., None], x, float("nan")), *(cache if filled else [])]
    got, want = (mx.grad(f, argnums=list(range(len(arguments))))(*arguments) for f in (padded, rows))
    for (name, x), (_, y) in zip(tree_flatten(list(got)), tree_flatten(list(want)), strict=True):
        near(x, y, name)


def near(got, want, what="", limit=1e-5):
    """As `close`, where what is wanted may be 0, or nothing."""
    got, want = np.array(got, np.float64), np.array(want, np.float64)
    assert got.shape == want.shape and np.isfinite(got).all(), what
    assert np.linalg.norm(got - want) <= limit * np.linalg.norm(want), what


def test_padded_prompts_in_pieces(block):
    x, lengths = inputs(), mx.array([31, 3])
    cache, whole = block.make_cache(), block.make_cache()
    want = block(x, whole, lengths=lengths)
    ys = [block(x[:, at : at + 10], cache, lengths=lengths - at) for at in range(0, L, 10)]
    near(mx.concatenate(ys, axis=1), want)
    for got, kept in zip(cache, whole):
        near(got, kept)


@pytest.mark.parametrize("taps", [1, 2, 5])
@each_padding
def test_convolution_of_padded_rows(taps, padding):
    conv, x, reset = CausalConv(WIDTH, taps), inputs(), resets(7, 8, 19)
    mask, steps = valid(padding)
    past = mx.random.normal((B, taps - 1, WIDTH))
    y, after = conv(mx.where(mask[..., None], x, float("nan")), past, reset, **padding)
    for row, at in enumerate(steps):
        one, at = slice(row, row + 1), mx.array(at, mx.int32)
        want, kept = conv(x[one, at], past[one], reset[one, at])
        near(y[one, at], want)
        near(after[one], kept)
    assert not np.array(y)[~np.array(mask)].any()


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


def test_copies(block):
    x = inputs()
    want = block(x)
    for made in (copy.deepcopy(block), pickle.loads(pickle.dumps(block))):
        assert mx.array_equal(made(x), want)


# Wrong arguments.


@pytest.mark.parametrize("name", ["width", "hidden", "heads", "conv_width"])
@pytest.mark.parametrize(
    "value, error, message",
    [
        (0, ValueError, "positive but got 0."),
        (-2, ValueError, "positive but got -2."),
        (2.0, TypeError, "an int but got 2.0."),
        (True, TypeError, "an int but got True."),
        ("2", TypeError, "an int but got '2'."),
    ],
)
def test_sizes_are_positive_ints(name, value, error, message):
    with pytest.raises(error, match=re.escape(f"[RGLRU] expected {name} to be {message}")):
        RGLRU(**{"width": WIDTH, name: value})


def test_sizes_of_the_convolution():
    with pytest.raises(ValueError, match=re.escape("[CausalConv] expected taps to be positive but got 0.")):
        CausalConv(WIDTH, 0)
    with pytest.raises(TypeError, match=re.escape("[CausalConv] expected width to be an int but got None.")):
        CausalConv(None)
    assert CausalConv(np.int64(5), np.int8(2)).weight.shape == (2, 5)


X = np.zeros((B, L, WIDTH), np.float32)
# Arguments, and what the error says of them.
BAD = {
    "rank 2": (dict(x=mx.zeros((B, WIDTH))), ValueError, "x to have shape (B, L, width) = (B, L, 12) but got (2, 12)."),
    "width": (dict(x=mx.zeros((B, L, 5))), ValueError, "x to have shape (B, L, width) = (B, L, 12) but got (2, 37, 5)"),
    "numpy": (dict(x=X), TypeError, "x to be an mlx.core.array but got ndarray; convert it with mx.array."),
    "none": (dict(x=None), TypeError, "x to be an mlx.core.array but got NoneType"),
    "integers": (dict(x=mx.array(X, mx.int32)), TypeError, "x to be of dtype floating but got int32."),
    "complex": (dict(x=mx.array(X, mx.complex64)), TypeError, "x to be of dtype floating but got complex64."),
    "reset list": (dict(reset=[True]), TypeError, "reset to be an mlx.core.array but got list"),
    "reset ints": (dict(reset=mx.zeros((B, L), mx.int32)), TypeError, "reset to be of dtype bool but got int32."),
    "reset shape": (dict(reset=mx.zeros((1, L), mx.bool_)), ValueError, "reset to have shape (B, L) = (2, 37) but got"),
    "mask floats": (dict(mask=mx.zeros((B, L))), TypeError, "mask to be of dtype bool but got float32."),
    "mask shape": (dict(mask=mx.zeros((B, 1, L), mx.bool_)), ValueError, "mask to have shape (B, L) = (2, 37) but got"),
    "lengths list": (dict(lengths=[3, 4]), TypeError, "lengths to be an mlx.core.array but got list"),
    "lengths floats": (dict(lengths=mx.zeros(B)), TypeError, "lengths to be of dtype integer but got float32."),
    "lengths shape": (dict(lengths=mx.array([1])), ValueError, "lengths to have shape (B) = (2) but got (1,)."),
}
BAD_CACHES = {
    "past": (
        dict(cache=[mx.zeros((B, 4, HIDDEN)), None]),
        ValueError,
        "cache[0] to have shape (B, conv_width - 1, hidden) = (2, 3, 24) but got (2, 4, 24).",
    ),
    "past list": (dict(cache=[[0.0], None]), TypeError, "cache[0] to be an mlx.core.array but got list"),
    "h": (dict(cache=[None, mx.zeros((1, HIDDEN))]), ValueError, "cache[1] to have shape (B, hidden) = (2, 24) but"),
    "h half": (dict(cache=[None, mx.zeros((B, 24), mx.float16)]), TypeError, "cache[1] to be of dtype float32 but got"),
} | {
    repr(cache): (dict(cache=cache), TypeError, f"cache to have items 0 and 1, to be read and set, but got {cache!r};")
    for cache in ((), [], (None, None), [None], {}, 3, "ab", mx.array(1.0))
}


@pytest.mark.parametrize("arguments, error, message", (BAD | BAD_CACHES).values(), ids=BAD | BAD_CACHES)
def test_wrong_arguments(block, arguments, error, message):
    with pytest.raises(error, match=re.escape(f"[RGLRU] expected {message}")):
        block(**({"x": mx.array(X)} | arguments))


@pytest.mark.parametrize("arguments, error, message", BAD.values(), ids=BAD)
def test_wrong_arguments_of_the_convolution(arguments, error, message):
    with pytest.raises(error, match=re.escape(f"[CausalConv] expected {message}")):
        CausalConv(WIDTH)(**({"x": mx.array(X)} | arguments))


def test_a_wrong_past_of_the_convolution():
    message = "[CausalConv] expected past to have shape (B, taps - 1, width) = (2, 3, 12) but got (2, 4, 12)."
    with pytest.raises(ValueError, match=re.escape(message)):
        CausalConv(WIDTH)(mx.array(X), mx.zeros((B, 4, WIDTH)))


def test_heads_must_divide_the_hidden_width():
    with pytest.raises(ValueError, match=r"\[RGLRU\] expected heads to divide hidden, 24, but got 5"):
        RGLRU(WIDTH, HIDDEN, heads=5)


def test_the_root_and_its_held_derivative():
    x = mx.array([0.0, 1e-12, 2.4e-7, 2.6e-7, 1e-3, 0.5, 1.0])
    np.testing.assert_allclose(bounded_sqrt(x, 1000.0), np.sqrt(np.array(x)), rtol=1e-6)
    want = np.minimum(1000, 0.5 / np.sqrt(np.maximum(np.array(x, np.float64), 1e-30)))
    np.testing.assert_allclose(mx.grad(lambda x: bounded_sqrt(x, 1000.0).sum())(x), want, rtol=1e-5)


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
