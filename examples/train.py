"""Train a small model on recall: after pairs of a key and a value, it names the value of the key that comes again.

    python examples/train.py --steps 300

The model has a Griffin block (`loader.nn.RGLRU`) and a layer of gated linear attention on the op itself.
"""

import argparse
from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

import loader

KEYS, VALUES = 8, 8


class GatedAttention(nn.Module):
    """Gated linear attention with one decay a head, learned from the input: [B, L, width] to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # MLX's has no types
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.gate = nn.Linear(width, heads)
        self.out = nn.Linear(width, width)

    def __call__(self, x: mx.array) -> mx.array:
        q, k, v = (self._split(each) for each in mx.split(self.project(x), 3, axis=-1))
        decay = mx.sigmoid(self.gate(x) + 4)
        gla = loader.get("gla")
        o: mx.array = gla(q=q, k=k, v=v, g=decay, scale=q.shape[-1] ** -0.5)
        return self.out(o.reshape(x.shape))

    def _split(self, x: mx.array) -> mx.array:
        return mx.unflatten(x, -1, (self.heads, -1))


class Model(nn.Module):
    """Tokens [B, L] to logits [B, L, VALUES]."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # MLX's has no types
        self.embed = nn.Embedding(KEYS + VALUES, width)
        self.norms = [nn.RMSNorm(width) for _ in range(3)]
        self.recurrent = loader.nn.RGLRU(width)
        self.attention = GatedAttention(width, heads)
        self.head = nn.Linear(width, VALUES)

    def __call__(self, tokens: mx.array) -> mx.array:
        x = self.embed(tokens)
        x = x + self.recurrent(self.norms[0](x))
        x = x + self.attention(self.norms[1](x))
        return self.head(self.norms[2](x))


def batch(size: int, pairs: int) -> tuple[mx.array, mx.array]:
    """Tokens [size, 2 * pairs + 1], the last of which is a key seen before, and its values [size]."""
    keys = mx.argsort(mx.random.uniform(shape=(size, KEYS)), axis=1)[:, :pairs]
    values = mx.random.randint(0, VALUES, (size, pairs))
    asked = mx.random.randint(0, pairs, (size, 1))
    told = mx.stack([keys, KEYS + values], axis=-1).reshape(size, 2 * pairs)
    tokens = mx.concatenate([told, mx.take_along_axis(keys, asked, axis=1)], axis=1)
    return tokens, mx.take_along_axis(values, asked, axis=1)[:, 0]


def loss(model: Model, tokens: mx.array, wanted: mx.array) -> mx.array:
    """Mean cross-entropy of the answer, in nats: log(VALUES) = 2.08 for a guess."""
    return nn.losses.cross_entropy(model(tokens)[:, -1], wanted, reduction="mean")


def train(steps: int, size: int = 32, pairs: int = 4, seed: int = 0) -> list[float]:
    """The loss of each step."""
    mx.random.seed(seed)
    model = Model()
    optimizer = optim.AdamW(learning_rate=3e-3)
    step = nn.value_and_grad(model, loss)
    losses: list[float] = []
    for _ in range(steps):
        value, gradients = step(model, *batch(size, pairs))
        optimizer.update(model, gradients)
        mx.eval(model.state, optimizer.state)
        losses.append(float(value.item()))
    return losses


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args(arguments).steps
    losses = train(steps)
    print(f"on {loader.backend()}, loss before {losses[0]:.3f}, after {steps} steps {losses[-1]:.3f}")


if __name__ == "__main__":
    main()
