"""rglru_gated and loader.nn.RGLRU against the mathematics of lrnnx 1.0.0's scan and inner block, in NumPy and float64.

lrnnx's time axis is the last, [B, D, L]; here it is axis 1, as in the ops. lrnnx has these faults, which are not
compared: its convolution's cache stores the outputs of the prompt instead of the inputs; the base a of its module
starts as the sigmoid of a logarithm, near 0.5, outside of the requested range; its sqrt(1 - a^2) loses all digits
near a = 1 in float32, and has an infinite slope at 1."""

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from oracle import close

import loader
from loader.nn import RGLRU, CausalConv

B, L, WIDTH, HIDDEN = 2, 40, 10, 14


def scan(u, delta, base):
    """y [B, L, D] and the last h [B, D, N] of h[t] = p h[t-1] + sqrt(1 - p^2) u[t], p = base^delta[t], y = sum_n h."""
    h, ys = np.zeros((len(u), *base.shape)), []
    for t in range(u.shape[1]):
        p = base ** delta[:, t, :, None]
        h = p * h + np.sqrt(1 - p**2) * u[:, t, :, None]
        ys.append(h.sum(axis=-1))
    return np.stack(ys, axis=1), h


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def convolve(x, kernel, bias):
    """The causal depthwise convolution of x [B, L, D] with a kernel [taps, D]."""
    padded = np.pad(x, [(0, 0), (len(kernel) - 1, 0), (0, 0)])
    return bias + sum(tap * padded[:, i : i + x.shape[1]] for i, tap in enumerate(kernel))


def inner(p, c):
    """The block after its input projections: convolution, gates, scan, the other stream's gate, output projection."""
    u = convolve(p["x"], p["kernel"], p["kernel_bias"])
    r, i = (sigmoid(u @ p[f"{gate}"].T + p[f"{gate}_bias"]) for gate in ("recurrence", "input"))
    base = p["base"][:, None] if p["base"].ndim == 1 else p["base"]
    y, _ = scan(i * u, c * r, base)
    return (p["gate"] * y) @ p["out"].T + p["out_bias"]


def slope(function, arrays, directions, step=1e-5):
    """The derivative of a scalar function of arrays by name along directions, by central differences."""
    ahead, behind = ({n: x + s * directions[n] for n, x in arrays.items()} for s in (step, -step))
    return (function(ahead) - function(behind)) / (2 * step)


def gradients_match(ours, theirs, arrays, generator, limit=1e-5):
    """Each gradient of `ours` in float32, summed along a random direction, against the slope of `theirs`."""
    names = list(arrays)
    float32 = [mx.array(x.astype(np.float32)) for x in arrays.values()]
    found = mx.grad(lambda *x: ours(dict(zip(names, x))), argnums=list(range(len(names))))(*float32)
    for name, gradient in zip(names, found):
        directions = {n: np.zeros_like(x) for n, x in arrays.items()}
        directions[name] = generator.standard_normal(arrays[name].shape)
        got = np.sum(np.array(gradient, np.float64) * directions[name])
        want = slope(theirs, arrays, directions)
        assert abs(got - want) <= limit * np.linalg.norm(gradient) * np.linalg.norm(directions[name]), name


def scan_inputs(generator, states):
    return {
        "u": generator.standard_normal((B, L, HIDDEN)),
        "delta": generator.uniform(0.2, 8, (B, L, HIDDEN)),
        "base": generator.uniform(0.3, 0.99, (HIDDEN, states)),
    }


def block_inputs(generator, states=None, taps=4):
    """Arrays of `inner`, by name; `states` is the size of a 2-d base."""

    def normal(*shape):
        return generator.standard_normal(shape) / np.sqrt(shape[-1])

    return {
        "x": generator.standard_normal((B, L, HIDDEN)),
        "kernel": generator.standard_normal((taps, HIDDEN)) / 2,
        "kernel_bias": normal(HIDDEN),
        "base": generator.uniform(0.3, 0.99, (HIDDEN,) if states is None else (HIDDEN, states)),
        "recurrence": normal(HIDDEN, HIDDEN),
        "recurrence_bias": normal(HIDDEN),
        "input": normal(HIDDEN, HIDDEN),
        "input_bias": normal(HIDDEN),
        "gate": generator.standard_normal((B, L, HIDDEN)),
        "out": normal(WIDTH, HIDDEN),
        "out_bias": normal(WIDTH),
    }


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def single(arrays):
    return {name: mx.array(x.astype(np.float32)) for name, x in arrays.items()}


def double(arrays):
    """The values that float32 has, in float64."""
    return {name: x.astype(np.float32).astype(np.float64) for name, x in arrays.items()}


def composed(p, c):
    """`inner` of the ops and layers of this package."""
    conv = CausalConv(HIDDEN, len(p["kernel"]))
    conv.weight, conv.bias = p["kernel"], p["kernel_bias"]
    u, _ = conv(p["x"])
    r, i = (mx.sigmoid(u @ p[gate].T + p[f"{gate}_bias"]) for gate in ("recurrence", "input"))
    y = loader.get("rglru_gated")(i * u, c * r, p["base"])
    return (p["gate"] * y) @ p["out"].T + p["out_bias"]


@pytest.mark.parametrize("states", [1, 3])
def test_scan(generator, states):
    arrays = double(scan_inputs(generator, states))
    y, last = loader.get("rglru_gated")(*single(arrays).values(), return_state=True)
    want, want_last = scan(*arrays.values())
    close(y, want)
    close(last, want_last)
    close(loader.get("rglru_gated")(*single(arrays).values()), want)


@pytest.mark.parametrize("states", [1, 3])
def test_gradients_of_the_scan(generator, states):
    arrays = scan_inputs(generator, states)
    weights = generator.standard_normal((B, L, HIDDEN))

    def ours(p):
        return (loader.get("rglru_gated")(*p.values()) * mx.array(weights.astype(np.float32))).sum()

    gradients_match(ours, lambda p: (scan(*p.values())[0] * weights).sum(), arrays, generator)


@pytest.mark.parametrize("states", [None, 1, 3], ids=["base [D]", "base [D, 1]", "base [D, 3]"])
@pytest.mark.parametrize("c", [8.0, 2.5])
@pytest.mark.parametrize("biased", [True, False], ids=["biases", "no biases"])
def test_block(generator, states, c, biased):
    """lrnnx's biases of the convolution and of the output may be absent, which is a bias of zeros."""
    arrays = double(block_inputs(generator, states))
    for name in () if biased else ("kernel_bias", "out_bias"):
        arrays[name] = np.zeros_like(arrays[name])
    close(composed(single(arrays), c), inner(arrays, c))


def test_gradients_of_the_block(generator):
    arrays = block_inputs(generator, states=2)
    weights = generator.standard_normal((B, L, WIDTH))

    def ours(p):
        return (composed(p, 8.0) * mx.array(weights.astype(np.float32))).sum()

    gradients_match(ours, lambda p: (inner(p, 8.0) * weights).sum(), arrays, generator)


def module(p):
    """loader.nn.RGLRU with the weights of a block; its input projection makes two streams of the same x."""
    block = RGLRU(WIDTH, HIDDEN, conv_width=len(p["kernel"]))
    block.conv.weight, block.conv.bias = p["kernel"], p["kernel_bias"]
    block.gate_weight = mx.concatenate([p["recurrence"].T, p["input"].T], axis=1)[None]
    block.gate_bias = mx.stack([p["recurrence_bias"], p["input_bias"]])
    block.decay = mx.log(1 / p["base"] - 1)  # softplus(decay) = -log(base)
    block.leave.weight, block.leave.bias = p["out"], p["out_bias"]
    return block


@pytest.mark.parametrize("taps", [2, 4])
def test_module(generator, taps):
    """Griffin's block, whose gate is the approximate gelu; lrnnx takes the exact one before it calls the inner part."""
    arrays = double(block_inputs(generator, taps=taps))
    block = module(single(arrays))
    text = mx.random.normal((B, L, WIDTH))
    gate, x = mx.split(block.enter(text), 2, axis=-1)
    arrays |= {"gate": np.array(nn.gelu_approx(gate), np.float64), "x": np.array(x, np.float64)}
    close(block(text), inner(arrays, 8.0))


def test_module_step_by_step(generator):
    """A prompt and then single tokens, which lrnnx's own cache gets wrong."""
    block = module(single(block_inputs(generator)))
    text, cache = mx.random.normal((B, L, WIDTH)), block.make_cache()
    pieces = [text[:, :30], *(text[:, t : t + 1] for t in range(30, L))]
    stepped = mx.concatenate([block(piece, cache) for piece in pieces], axis=1)
    close(stepped, np.array(block(text), np.float64))
