"""How long the first calls of each op take with nothing compiled: `python -m tools.bench.first_call [OP ...]`.

Each row is a process of its own with an empty cache: the seconds until the first output, until the first gradients
after it, and the processor's seconds of both.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import mlx.core as mx

from . import cases

# The dims that --heads sets.
_HEADS = ("Dh", "Dk", "Dv")
_MODES = ("quick", "optimised")


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.first_call", description=__doc__.split(":")[0])
    add = parser.add_argument
    add("ops", nargs="*", metavar="OP", help=f"of {', '.join(cases.names())} (default: all)")
    add("--heads", type=int, nargs="+", default=[64, 128], help="sizes of a head (default: 64 128)")
    add("--dtype", nargs="+", default=["float32", "bfloat16"], choices=("float32", "float16", "bfloat16"))
    add("--build", nargs="+", default=["quick"], choices=_MODES, help="LOADER_BUILD (default: quick)")
    add("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _measure(*options.one)
    print("| op | gates | head | dtype | build | first output, s | first gradients, s | both | processor, s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.ops or cases.names():
        for rank, mode in [(rank, mode) for rank in _ranks(name) for mode in options.build]:
            for head in options.heads if _has_heads(name) else [0]:
                for dtype in options.dtype:
                    print(_row(name, rank, head, dtype, mode), flush=True)


def _spec(name):
    return cases.loader.get(name).spec


def _ranks(name):
    """0, and 1 where the gate of an op of heads has two ranks."""
    gates = [array for array in _spec(name).inputs if array.name == "g"]
    return range(len(gates[0].shapes)) if gates else (0,)


def _has_heads(name):
    dims = {axis.text for array in _spec(name).inputs for axes in array.shapes for axis in axes}
    return bool(dims & set(_HEADS))


def _row(name, rank, head, dtype, mode):
    command = [sys.executable, "-m", "tools.bench.first_call", "--one", name, str(rank), str(head), dtype]
    with tempfile.TemporaryDirectory() as cache:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "LOADER_CACHE": cache, "LOADER_BUILD": mode}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    forward, gradients = json.loads(done.stdout)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    gates = ("a step", "a key")[rank] if len(_ranks(name)) > 1 else ""
    seconds = f"{forward:.1f} | {gradients:.1f} | {forward + gradients:.1f} | {used:.1f}"
    return f"| `{name}` | {gates} | {head or ''} | {dtype} | {mode} | {seconds} |"


def _measure(name, rank, head, dtype):
    """In a process of its own: print the seconds of both calls."""
    dims = {"D": 256, "H": 2, "Hk": 2, **(dict.fromkeys(_HEADS, int(head)) if int(head) else {})}
    op = cases.loader.get(name)
    drawn, _ = cases.draw(op, 1, 512, dims, dtype, {"g": int(rank)})
    inputs = list(drawn.values())
    mx.eval(inputs)
    gradients = mx.grad(lambda *arrays: _sum(op(*arrays)), argnums=tuple(range(len(inputs))))
    times = []
    for call in (op, gradients):
        began = time.perf_counter()
        mx.eval(call(*inputs))
        times.append(time.perf_counter() - began)
    print(json.dumps(times))


def _sum(results):
    return sum(y.astype(mx.float32).sum() for y in (results if isinstance(results, tuple) else (results,)))


if __name__ == "__main__":
    main()
