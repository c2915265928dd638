"""A byte-level language model of RG-LRU blocks (Griffin, De et al. 2024, arXiv:2402.19427)."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

import loader

rglru = loader.get("rglru")


class CausalConv(nn.Module):
    """Depthwise causal convolution over time; its state is the last `taps - 1` inputs, `[B, taps - 1, D]`."""

    def __init__(self, width: int, taps: int = 4):
        super().__init__()
        self.weight = mx.random.uniform(-1, 1, (taps, width)) * taps**-0.5
        self.bias = mx.zeros(width)

    def __call__(self, x: mx.array, past: mx.array) -> tuple[mx.array, mx.array]:
        """`x` `[B, L, D]` after the inputs `past`; returns the outputs and the new past."""
        length = x.shape[1]
        x = mx.concatenate([past, x], axis=1)
        y = sum(x[:, i : i + length] * w for i, w in enumerate(self.weight))
        return y + self.bias, x[:, length:]

    def initial_state(self, batch: int) -> mx.array:
        taps, width = self.weight.shape
        return mx.zeros((batch, taps - 1, width))


class RGLRU(nn.Module):
    """Griffin's gates, eq. 1-4, around the recurrence h[t] = a[t] h[t-1] + b[t]; its state is h, `[B, D]`."""

    C = 8.0

    def __init__(self, width: int):
        super().__init__()
        self.gates = nn.Linear(width, 2 * width)
        slowest = -mx.log(mx.random.uniform(0.9, 0.999, (width,))) / self.C
        self.decay = mx.log(mx.expm1(slowest))  # softplus(decay) = slowest: a in [0.9, 0.999] at r = 1

    def coefficients(self, x: mx.array) -> tuple[mx.array, mx.array]:
        """The recurrence's a and b from `x` `[..., D]`, both shaped as `x`."""
        r, i = mx.split(mx.sigmoid(self.gates(x)), 2, axis=-1)
        log_a = -self.C * nn.softplus(self.decay) * r
        # The floor keeps the root's gradient finite where a reaches 1.
        scale = mx.sqrt(mx.maximum(-mx.expm1(2 * log_a), 1e-6))
        return mx.exp(log_a), scale * i * x

    def __call__(self, x: mx.array) -> mx.array:
        return rglru(*self.coefficients(x))

    def step(self, x: mx.array, h: mx.array) -> tuple[mx.array, mx.array]:
        return rglru.step(*self.coefficients(x), initial_state=h)

    def initial_state(self, batch: int) -> mx.array:
        return mx.zeros((batch, self.decay.size))


class Recurrent(nn.Module):
    """Griffin's recurrent block: gelu(linear) gates linear -> conv -> RG-LRU; its state is (conv's, RG-LRU's)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.enter = nn.Linear(width, 2 * hidden)
        self.conv = CausalConv(hidden)
        self.rglru = RGLRU(hidden)
        self.leave = nn.Linear(hidden, width)

    def __call__(self, x: mx.array) -> mx.array:
        gate, x = mx.split(self.enter(x), 2, axis=-1)
        x, _ = self.conv(x, self.conv.initial_state(x.shape[0]))
        return self.leave(nn.gelu_approx(gate) * self.rglru(x))

    def step(self, x: mx.array, state: tuple) -> tuple[mx.array, tuple]:
        past, h = state
        gate, x = mx.split(self.enter(x), 2, axis=-1)
        x, past = self.conv(x[:, None], past)
        y, h = self.rglru.step(x[:, 0], h)
        return self.leave(nn.gelu_approx(gate) * y), (past, h)

    def initial_state(self, batch: int) -> tuple:
        return self.conv.initial_state(batch), self.rglru.initial_state(batch)


class GatedMLP(nn.Module):
    """linear * gelu(linear), then linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.enter = nn.Linear(width, 2 * hidden)
        self.leave = nn.Linear(hidden, width)

    def __call__(self, x: mx.array) -> mx.array:
        gate, x = mx.split(self.enter(x), 2, axis=-1)
        return self.leave(nn.gelu_approx(gate) * x)


class Block(nn.Module):
    """A recurrent block and a gated MLP, each behind a norm and beside a residual."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.norms = [nn.RMSNorm(width), nn.RMSNorm(width)]
        self.recurrent = Recurrent(width, hidden)
        self.mlp = GatedMLP(width, 2 * width)

    def __call__(self, x: mx.array) -> mx.array:
        x = x + self.recurrent(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))

    def step(self, x: mx.array, state: tuple) -> tuple[mx.array, tuple]:
        y, state = self.recurrent.step(self.norms[0](x), state)
        x = x + y
        return x + self.mlp(self.norms[1](x)), state


class Model(nn.Module):
    """Bytes in, logits of the next byte out."""

    def __init__(self, width: int = 64, hidden: int = 96, depth: int = 2):
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(256, width)
        self.blocks = [Block(width, hidden) for _ in range(depth)]
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, 256)

    def __call__(self, tokens: mx.array) -> mx.array:
        """`tokens` `[B, L]` to logits `[B, L, 256]`."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def step(self, token: mx.array, state: list) -> tuple[mx.array, list]:
        """One `token` `[B]` after `state` to logits `[B, 256]` and the next state."""
        x, after = self.embedding(token), []
        for block, carried in zip(self.blocks, state, strict=True):
            x, carried = block.step(x, carried)
            after.append(carried)
        return self.head(self.norm(x)), after

    def initial_state(self, batch: int) -> list:
        return [block.recurrent.initial_state(batch) for block in self.blocks]

    def size(self) -> int:
        """Number of parameters."""
        return sum(value.size for _, value in tree_flatten(self.parameters()))
