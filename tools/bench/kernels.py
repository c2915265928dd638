"""Each step of an op's passes alone, at a model's sizes: `python -m tools.bench.kernels --model qwen3-next`.

Milliseconds, medians of rounds. The sum of a pass may exceed its time: within a pass steps can overlap.
"""

import argparse
from functools import partial
from statistics import median

import mlx.core as mx

import loader

from . import measure, model_case, models


def main():
    options = parse()
    print("| model | pass | step | ms | share |\n| --- | --- | --- | ---: | ---: |", flush=True)
    for name in models.names(options.model):
        found = list(steps(name, options))
        for which, step, milliseconds in found:
            total = sum(ms for each, _, ms in found if each == which)
            print(f"| {name} | {which} | {step} | {milliseconds:.3f} | {milliseconds / total:.0%} |", flush=True)


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.kernels", description=__doc__.split(":")[0])
    add = parser.add_argument
    add("--model", required=True, choices=("all", *models.MODELS), metavar="NAME", help="as of tools.bench")
    add("--length", type=int, default=8192, help="(default: %(default)s)")
    add("--scale", type=float, default=1.0, help="the share of a model's heads or channels (default: %(default)s)")
    add("--batch", type=int, default=1, help="(default: %(default)s)")
    add("--dtype", choices=("float32", "float16", "bfloat16"), default="bfloat16", help="(default: %(default)s)")
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    return parser.parse_args()


def steps(name, options):
    """(pass, step, milliseconds) of each step of both passes."""
    model = models.MODELS[name]
    op = loader.get(model.op)
    mx.random.seed(0)
    sizes = {"B": options.batch, "L": options.length, **models.scaled(model, options.scale)}
    inputs = model_case.draw(model, op, sizes, options.dtype)
    chosen = tuple(model.options.get(option.name, option.default) for option in op.spec.options)
    plan, arrays = op.plan(inputs, chosen), op.arrays(inputs, chosen)
    results = op.forward_pass(plan, arrays)
    cotangents = [mx.random.normal(y.shape).astype(y.dtype) for y in results[: len(op.spec.outputs)]]
    mx.eval(arrays, op.backward_pass(plan, arrays, chosen, results, cotangents))
    for which in ("forward", "backward"):
        for step in op.steps(plan, which):
            times = [measure.seconds(partial(_made, step, arrays)) for _ in range(options.rounds)]
            yield which, getattr(step, "file", f"sum of {step.reads[0]}"), 1e3 * median(times)


def _made(step, arrays):
    """The arrays that a step makes of those at hand."""
    named = dict(arrays)
    step.run(named)
    return [named[name] for name in step.makes]


if __name__ == "__main__":
    main()
