"""A training step of the demo's model, compiled by mx.compile and not, taking turns: python -m tools.bench.compiled

On a GPU kernels are part of the compiled graph. The opencl engine runs them at the call, so there a compiled step is
one of the plain-MLX reference.
"""

from statistics import median

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from tools.demo.model import Model
from tools.demo.train import bits_per_byte

from . import measure


def main(batch=16, length=256, rounds=10):
    mx.random.seed(0)
    tokens = mx.random.randint(0, 256, (batch, length + 1))
    steps = {what: step(compiled) for what, compiled in (("uncompiled", False), ("compiled", True))}
    times = {what: [] for what in steps}
    for _ in range(rounds + 1):
        for what, run in steps.items():
            times[what].append(measure.seconds(lambda run=run: run(tokens[:, :-1], tokens[:, 1:])))
    slow, fast = (1e3 * median(times[what][1:]) for what in ("uncompiled", "compiled"))
    print(f"B{batch} L{length}: uncompiled {slow:.2f} ms, compiled {fast:.2f} ms, {slow / fast:.2f} times as fast")


def step(compiled):
    """A function of inputs and targets that trains a model of its own."""
    model = Model()
    optimizer = optim.AdamW(1e-3)
    optimizer.init(model.trainable_parameters())
    state = [model.state, optimizer.state]
    loss_and_grad = nn.value_and_grad(model, bits_per_byte)

    def run(inputs, targets):
        loss, grads = loss_and_grad(model, inputs, targets)
        optimizer.update(model, grads)
        return loss

    if compiled:
        run = mx.compile(run, inputs=state, outputs=state)

    def with_state(inputs, targets):
        return run(inputs, targets), state

    return with_state


if __name__ == "__main__":
    main()
