"""An op over several devices, each with a piece of the time axis, beside one device with the whole:
`python -m tools.bench.devices --model qwen3-next --devices 1 2 4`.

`--layers` calls the op as often, each on the output of the one before: a device that waits for the first layer's state
is behind by as much in every layer, and pays for it once. Each device is a process of its own. On NVIDIA GPUs they talk
by NCCL, else by MLX's ring on this machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from . import ranks

# Set in the process of a device.
DEVICE = "BENCH_DEVICE"
HEADER = "| model | L | devices | forward, ms | speed-up | with backward, ms | speed-up | peak MB a device | share |"


def main():
    options = parse()
    if DEVICE in os.environ:
        return rank(options)
    print(HEADER, f"|{' --- |'}{' ---: |' * 8}", sep="\n", flush=True)
    for model in options.model:
        for length in options.length:
            alone = None
            for count in options.devices:
                found = start(count, network(options), ["--model", model, "--length", str(length), *shared(options)])
                alone = alone or found
                print(row(model, length, count, found, alone), flush=True)


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.devices", description=__doc__.split(":")[0])
    add = parser.add_argument
    add("--model", nargs="+", required=True, metavar="NAME", help="as of tools.bench")
    add("--devices", nargs="+", type=int, default=[1, 2], help="how many, the first to compare with (default: 1 2)")
    add("--length", nargs="+", type=int, default=[32768], help="steps in all (default: %(default)s)")
    add("--scale", type=float, default=1.0, help="the share of a model's heads or channels (default: %(default)s)")
    add("--layers", type=int, default=1, help="calls of the op in a row (default: %(default)s)")
    add("--rounds", type=int, default=5, help="(default: %(default)s)")
    add("--network", choices=("nccl", "ring"), help="(default: nccl beside NVIDIA GPUs, else ring)")
    return parser.parse_args()


def network(options):
    return options.network or ("nccl" if list(Path("/dev").glob("nvidia[0-9]*")) else "ring")


def shared(options):
    """The arguments that are passed on to every process."""
    values = {name: getattr(options, name) for name in ("scale", "layers", "rounds")} | {"network": network(options)}
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def start(count, network, arguments):
    """The result of the first of `count` processes: {pass: seconds, "peak": the largest peak in MB}."""
    with tempfile.TemporaryDirectory() as folder:
        places = ranks.environments(count, network, Path(folder)) if count > 1 else [{}]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tools.bench.devices", *arguments, "--devices", str(count)],
                env={**os.environ, "CUDA_VISIBLE_DEVICES": str(i), **place, DEVICE: "1"},
                stdout=subprocess.PIPE if i == 0 else subprocess.DEVNULL,
            )
            for i, place in enumerate(places)
        ]
        printed = processes[0].communicate()[0]
        if any([process.wait() for process in processes]):
            sys.exit(f"A process of {count} failed: see above.")
    return json.loads(printed)


def rank(options):
    """One process: its piece of the model's op, timed between barriers."""
    import mlx.core as mx

    from loader import parallel
    from tools.bench import measure, model_case

    (count,), (model,), (length,) = options.devices, options.model, options.length
    group = mx.distributed.init(backend=options.network, strict=True) if count > 1 else mx.distributed.init()
    case = model_case.make(model, length // count, options.scale)
    function = model_case.stacked(case, model_case.over(case, parallel.over_time(case.op, group)), options.layers)
    jobs = {what: measure.job(case, function, what) for what in measure.PASSES}
    peak = mx.distributed.all_max(mx.array(measure.peak(jobs[measure.PASSES[1]]) / 2**20), group=group).item()
    queued = measure.queued(int(peak * 2**20))
    found = {what: median(timed(job, group, queued) for _ in range(options.rounds + 1)) for what, job in jobs.items()}
    found["peak"] = peak
    if group.rank() == 0:
        print(json.dumps(found))


def timed(job, group, queued):
    import mlx.core as mx

    from tools.bench import measure

    mx.eval(mx.distributed.all_sum(mx.ones(1), group=group))
    return measure.seconds(job, queued)


def row(model, length, count, found, alone):
    cells = [model, length, count]
    for what in ("forward", "forward+backward"):
        cells += [f"{1e3 * found[what]:.2f}", f"{alone[what] / found[what]:.2f}"]
    return f"| {' | '.join(map(str, cells))} | {found['peak']:.0f} | {found['peak'] / alone['peak']:.2f} |"


if __name__ == "__main__":
    main()
