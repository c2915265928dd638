"""Layers on the ops, as mlx.nn modules: `RGLRU`, the recurrent block of Griffin, and its `CausalConv`."""

import mlx.core as mx
import mlx.nn as nn

from . import get

_STEEPEST = 1000.0


class CausalConv(nn.Module):
    """Depthwise causal convolution over time: y[t] = bias + sum_i weight[i] * x[t - taps + 1 + i].

    `weight` is [taps, width], `bias` [width].
    """

    def __init__(self, width: int, taps: int = 4):
        super().__init__()
        self.weight = mx.random.uniform(-1, 1, (taps, width)) * taps**-0.5
        self.bias = mx.zeros(width)

    def __call__(self, x: mx.array, past: mx.array | None = None, reset: mx.array | None = None):
        """`x` [B, L, width] after the inputs `past` [B, taps - 1, width], zeros by default; returns y as x, and the
        `past` of what comes next. Before a True of `reset` [B, L] no step sees what was earlier."""
        taps, length = len(self.weight), x.shape[1]
        if past is None:
            past = mx.zeros((x.shape[0], taps - 1, x.shape[2]), x.dtype)
        x = mx.concatenate([past, x], axis=1)
        windows = [x[:, i : i + length] for i in range(taps)]
        past = x[:, length:]
        if reset is not None:
            sequence = mx.pad(mx.cumsum(reset.astype(mx.int32), axis=1), [(0, 0), (taps - 1, 0)])
            now = sequence[:, taps - 1 :]
            windows = [_only(now == sequence[:, i : i + length], window) for i, window in enumerate(windows)]
            past = _only(sequence[:, length:] == sequence[:, -1:], past)
        return sum(w * window for w, window in zip(self.weight, windows)) + self.bias, past


class RGLRU(nn.Module):
    """The recurrent block of Griffin (De et al. 2024, arXiv:2402.19427, section 2 and eq. 1-4; RecurrentGemma).

        u = conv(enter(x)[hidden:])
        r, i = sigmoid(u W + bias)                              the recurrence and input gates
        log a = -8 softplus(decay) r
        h[t] = a[t] h[t-1] + sqrt(1 - a[t]^2) i[t] u[t]
        y = leave(gelu(enter(x)[:hidden]) h)

    `width` is that of x and y, `hidden` that of the recurrence (default: `width`). W is block-diagonal with one block a
    head, [heads, hidden / heads, 2 hidden / heads]: 1 head is the full matrix of Griffin's equations, RecurrentGemma
    has as many as attention heads. At the start a lies between 0.9 and 0.999 where r = 1, evenly.

    a and h are float32, whatever the dtype of the parameters. sqrt(1 - a^2) comes from log a, without cancellation
    near a = 1, and its derivative is held at 1000, as RecurrentGemma does.
    Raises ValueError where `heads` does not divide `hidden`.
    """

    C = 8.0

    def __init__(self, width: int, hidden: int | None = None, *, heads: int = 1, conv_width: int = 4):
        super().__init__()
        hidden = width if hidden is None else hidden
        if hidden % heads:
            raise ValueError(f"[RGLRU] expected heads to divide hidden, {hidden}, but got {heads}.")
        block = hidden // heads
        self.enter = nn.Linear(width, 2 * hidden)
        self.conv = CausalConv(hidden, conv_width)
        self.gate_weight = mx.random.normal((heads, block, 2 * block)) * block**-0.5
        self.gate_bias = mx.zeros((2, hidden))
        slowest = -mx.log(mx.random.uniform(0.9, 0.999, (hidden,))) / self.C
        self.decay = mx.log(mx.expm1(slowest))  # softplus(decay) = slowest
        self.leave = nn.Linear(hidden, width)

    def __call__(self, x: mx.array, cache: list | None = None, reset: mx.array | None = None) -> mx.array:
        """`x` [B, L, width] to y [B, L, width], of any L: a whole text, a piece of it or one token.

        `cache` is `make_cache()` before the first call; each call continues from what it holds, and leaves in it what
        the next needs: the last inputs of the convolution [B, conv_width - 1, hidden], and h [B, hidden] in
        float32. Any object with items 0 and 1 will do. `reset` [B, L] bool marks the first steps of packed sequences:
        neither the convolution nor h reaches back across them. h is zeroed there; RecurrentGemma also leaves out the
        factor sqrt(1 - a^2) at the first step of a sequence.
        """
        past, state = (None, None) if cache is None else (cache[0], cache[1])
        gate, u = mx.split(_linear(self.enter, x), 2, axis=-1)
        u, past = self.conv(u, past, reset)
        h, state = get("rglru")(*self.coefficients(u), initial_state=state, reset=reset, return_state=True)
        if cache is not None:
            cache[0], cache[1] = past, state
        return _linear(self.leave, nn.gelu_approx(gate) * h)

    def coefficients(self, u: mx.array) -> tuple[mx.array, mx.array]:
        """a, float32, and b of h[t] = a[t] h[t-1] + b[t] for `u` [B, L, hidden], the output of the convolution."""
        r, i = self.gates(u)
        log_a = -self.C * nn.softplus(self.decay.astype(mx.float32)) * r.astype(mx.float32)
        scale = _sqrt(-mx.expm1(2 * log_a))
        return mx.exp(log_a), (scale * i * u).astype(u.dtype)

    def gates(self, u: mx.array) -> tuple[mx.array, mx.array]:
        """r and i, both in (0, 1) and shaped as `u` [B, L, hidden]."""
        heads, block, _ = self.gate_weight.shape
        blocks = mx.unflatten(mx.flatten(u, 0, 1), -1, (heads, block))
        products = mx.swapaxes(mx.swapaxes(blocks, 0, 1) @ self.gate_weight, 0, 1)
        r, i = (product.reshape(u.shape) + bias for product, bias in zip(mx.split(products, 2, -1), self.gate_bias))
        return mx.sigmoid(r), mx.sigmoid(i)

    @staticmethod
    def make_cache() -> list:
        """An empty cache for `__call__`."""
        return [None, None]


def _linear(layer, x):
    """`layer(x)`; MLX 0.32's CUDA build ends the process on a product without rows."""
    return layer(x) if x.size else mx.zeros((*x.shape[:-1], layer.weight.shape[0]), x.dtype)


def _only(where, x):
    """`x` [B, L, D] where `where` [B, L] holds and zeros elsewhere."""
    return mx.where(where[..., None], x, 0)


def _sqrt(x):
    """sqrt(x), whose derivative is held at `_STEEPEST` near 0."""
    edge = (0.5 / _STEEPEST) ** 2
    root = mx.stop_gradient(mx.sqrt(x))
    near = root + _STEEPEST * (x - mx.stop_gradient(x))
    return mx.where(x < edge, near, mx.sqrt(mx.maximum(x, edge)))
