"""Host time of a call beside that of the bare kernel on the same arrays: `python -m tools.bench.host [OP ...]`.

Microseconds of Python for one token in bfloat16, the best of many short rounds. On a GPU
the graphs are built and not evaluated; the opencl engine runs its kernels at the call, so heads are small. For an op
with several kernels a token, the bare kernel's time is their sum.
"""

import argparse
import time

import mlx.core as mx

from . import cases

DIMS = {"D": 64, "H": 2, "Hk": 1, "G": 1, "N": 16, "Dk": 16, "Dv": 16, "Dh": 16}
ROUNDS, CALLS = 200, 20


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.host", description=__doc__.split(":")[0])
    parser.add_argument("ops", nargs="*", metavar="OP", help=f"of {', '.join(cases.names())} (default: all)")
    print("| op | bare us | call us | more | step us | more |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in parser.parse_args().ops or cases.names():
        bare, call, step = measure(name)
        print(f"| {name} | {bare:.1f} | {call:.1f} | {call - bare:.1f} | {step:.1f} | {step - bare:.1f} |", flush=True)


def measure(name):
    """Microseconds of the bare kernels, of a call, and of a step."""
    op = cases.loader.get(name)
    inputs, _ = cases.draw(op, 1, 1, DIMS, "bfloat16")
    rows = [_row(array, inputs[array.name]) for array in op.spec.required]
    mx.eval(inputs, rows)
    options = tuple(option.default for option in op.spec.options)
    # They take turns, so that other load on the machine affects all alike.
    jobs = (_bare(op, inputs, options), lambda: op(*inputs.values(), return_state=True), lambda: op.step(*rows))
    best = [float("inf")] * len(jobs)
    for _ in range(ROUNDS):
        best = [min(least, _seconds(job)) for least, job in zip(best, jobs)]
    return [1e6 * seconds for seconds in best]


def _bare(op, inputs, options):
    """The launches of a forward pass, their arrays at hand."""
    arrays = {**inputs, **op._scalars(options)}
    op.forward_pass(op.plan(inputs, options), arrays)
    mx.eval(arrays)
    launches = [(launch.call, launch.arrays(arrays)) for launch in op.plan(inputs, options).kernels("forward")]
    return lambda: [call(inputs=given) for call, given in launches]


def _row(array, x):
    at = array.axis("L")
    return x if at is None else mx.squeeze(x, at)


def _seconds(job):
    start = time.perf_counter()
    for _ in range(CALLS):
        job()
    return (time.perf_counter() - start) / CALLS


if __name__ == "__main__":
    main()
