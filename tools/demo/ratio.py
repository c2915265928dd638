"""How much faster the shader is than the same recurrence in plain MLX, where the demo uses it."""

import time
from statistics import median

import mlx.core as mx


def measure(op, batch: int, length: int, width: int, rounds: int = 9) -> tuple[float, float]:
    """Median seconds of forward and backward over `[batch, length, width]`: the shader's, and plain MLX's.

    The two take turns, so that both meet the same noise on the machine.
    """
    shape = (batch, length, width)
    a, b, grad = mx.random.uniform(0.9, 0.999, shape), mx.random.normal(shape), mx.random.normal(shape)
    mx.eval(a, b, grad)
    seconds = [], []
    for _ in range(rounds):
        for path, taken in zip((op, op.reference), seconds, strict=True):
            start = time.perf_counter()
            mx.eval(mx.vjp(path, [a, b], [grad]))
            taken.append(time.perf_counter() - start)
    shader, plain = (median(taken[1:]) for taken in seconds)  # the first round warms up
    return shader, plain
