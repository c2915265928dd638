"""A byte-level language model of RG-LRU blocks (Griffin, De et al. 2024, arXiv:2402.19427)."""

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from loader.nn import RGLRU


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
        self.recurrent = RGLRU(width, hidden)
        self.mlp = GatedMLP(width, 2 * width)

    def __call__(self, x: mx.array, cache: list | None = None) -> mx.array:
        x = x + self.recurrent(self.norms[0](x), cache)
        return x + self.mlp(self.norms[1](x))


class Model(nn.Module):
    """Bytes in, logits of the next byte out."""

    def __init__(self, width: int = 64, hidden: int = 96, depth: int = 2):
        super().__init__()
        self.hidden = hidden
        self.embedding = nn.Embedding(256, width)
        self.blocks = [Block(width, hidden) for _ in range(depth)]
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, 256)

    def __call__(self, tokens: mx.array, cache: list | None = None) -> mx.array:
        """`tokens` `[B, L]` to logits `[B, L, 256]`; `cache` carries on from the call before that had it."""
        x = self.embedding(tokens)
        for block, carried in zip(self.blocks, cache or [None] * len(self.blocks), strict=True):
            x = block(x, carried)
        return self.head(self.norm(x))

    def over_time(self, group: mx.distributed.Group) -> "Model":
        """From now on `tokens` are the piece of time that this rank of the group has. Returns the model itself."""
        for block in self.blocks:
            block.recurrent.over_time(group)
        return self

    def make_cache(self) -> list:
        return [block.recurrent.make_cache() for block in self.blocks]

    def size(self) -> int:
        """Number of parameters."""
        return sum(value.size for _, value in tree_flatten(self.parameters()))
