"""Training with AdamW, and the losses it leaves behind; every loss is in bits per byte."""

import math
from dataclasses import dataclass, field

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from tqdm import tqdm

from loader import parallel

EVALUATIONS = 8


@dataclass
class Curve:
    """Losses against the number of bytes read: `train` one a step, `held_out` `EVALUATIONS` in all."""

    train: list[tuple[int, float]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)


def train(
    model: nn.Module,
    tokens: np.ndarray,
    held_out: np.ndarray,
    *,
    steps: int,
    batch: int,
    length: int,
    seed: int = 0,
    rate: float = 6e-3,
    group: mx.distributed.Group | None = None,
) -> Curve:
    """Fit `model` to random windows of `tokens` `[N]`, `batch` windows of `length` bytes a step. Of each window every
    rank of `group` reads a piece, and all get the same model."""
    rng = np.random.default_rng(seed)
    optimizer = optim.AdamW(schedule(rate, steps), betas=[0.9, 0.98])
    loss_and_grad = nn.value_and_grad(model, bits_per_byte)
    every = math.ceil(steps / EVALUATIONS)
    curve, seen = Curve(), 0
    quiet = True if parallel.choose(group).rank() > 0 else None  # None: where stderr is no terminal
    with tqdm(total=steps * batch * length, unit="B", unit_scale=True, desc="train", disable=quiet) as bar:
        for step in range(1, steps + 1):
            pieces = (parallel.shard(x, group) for x in random_windows(rng, tokens, batch, length))
            loss, grads = parallel.add_up(loss_and_grad(model, *pieces, length), group)
            grads, _ = optim.clip_grad_norm(grads, max_norm=1.0)
            optimizer.update(model, grads)
            mx.eval(model.parameters(), optimizer.state)
            seen += batch * length
            curve.train.append((seen, loss.item()))
            if step % every == 0 or step == steps:
                curve.held_out.append((seen, evaluate(model, held_out, group=group)))
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
            bar.update(batch * length)
    return curve


def schedule(rate: float, steps: int):
    """Linear warm-up over a twentieth of the steps, then a cosine to a twentieth of `rate`."""
    warm = max(1, steps // 20)
    rise = optim.linear_schedule(rate / warm, rate, warm)
    fall = optim.cosine_decay(rate, max(1, steps - warm), end=rate / 20)
    return optim.join_schedules([rise, fall], [warm])


def bits_per_byte(model: nn.Module, inputs: mx.array, targets: mx.array, length: int) -> mx.array:
    """The part of `targets` `[B, L]` after `inputs` `[B, L]` in the mean cross-entropy of windows of `length` bytes."""
    total = nn.losses.cross_entropy(model(inputs), targets, reduction="sum")
    return total / (len(targets) * length * math.log(2))


def evaluate(
    model: nn.Module,
    tokens: np.ndarray,
    length: int = 256,
    batch: int = 16,
    group: mx.distributed.Group | None = None,
) -> float:
    """Loss over all whole windows of `tokens` `[N]`, each read from an empty state: a slight handicap."""
    starts = np.arange(0, len(tokens) - length, length)
    if not len(starts):
        raise ValueError(f"[demo] expected more than {length} held-out bytes but got {len(tokens)}.")
    total = 0.0
    for i in range(0, len(starts), batch):
        some = starts[i : i + batch]
        pieces = (parallel.shard(x, group) for x in windows(tokens, some, length))
        total += parallel.add_up(bits_per_byte(model, *pieces, length), group).item() * len(some)
    return total / len(starts)


def random_windows(rng: np.random.Generator, tokens: np.ndarray, batch: int, length: int) -> tuple[mx.array, mx.array]:
    return windows(tokens, rng.integers(0, len(tokens) - length, batch), length)


def windows(tokens: np.ndarray, starts: np.ndarray, length: int) -> tuple[mx.array, mx.array]:
    """Inputs and targets, each `[len(starts), length]`; the targets are one byte ahead."""
    taken = tokens[starts[:, None] + np.arange(length + 1)]
    return mx.array(taken[:, :-1]), mx.array(taken[:, 1:])
