"""The cost to one device of cutting time between devices: `python -m tools.bench.over_time [OP ...] [--model NAME]`.

One process computes what the middle of three ranks computes on its piece of `--length` steps, both passes and the folds
included, without a network: the collective returns this rank's part three times. It takes turns with the op on the same
piece alone.
"""

import argparse
from functools import partial
from unittest import mock

import mlx.core as mx
from tqdm import tqdm

from loader import parallel
from loader.parallel.transitions import UNSPLIT

from . import cases, measure, model_case

OPS = [name for name in cases.names() if name not in UNSPLIT]


class Middle:
    """Rank 1 of 3, in a group of this process alone."""

    def rank(self):
        return 1

    def size(self):
        return 3


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.bench.over_time", description=__doc__.split(":")[0])
    add = parser.add_argument
    add("ops", nargs="*", metavar="OP", help=f"of {', '.join(OPS)} (default: all)")
    add("--model", nargs="+", default=[], metavar="NAME", help="models' ops at their sizes instead, as of tools.bench")
    add("--length", type=int, default=8192, help="steps of the piece (default: %(default)s)")
    add("--batch", type=int, default=1, help="(default: %(default)s)")
    add("--dtype", default="float32", choices=tuple(cases.TOLERANCE), help="(default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    options = parser.parse_args()
    print("| what | gates | forward, ms | over time | more | forward and backward, ms | over time | more |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in options.model:
        case = model_case.make(name, options.length)
        print(row(f"{name} |", case, partial(model_case.over, case), options.rounds), flush=True)
    for name in options.ops or ([] if options.model else OPS):
        for rank in range(_ranks(name)):
            case = cases.make(name, options.batch, options.length, {}, options.dtype, {"g": rank, "A": rank})
            gates = rank + 1 if _ranks(name) > 1 else ""
            print(row(f"`{name}` | {gates}", case, lambda op: op, options.rounds), flush=True)


def row(label, case, over, rounds):
    """A line of the table: medians of turns of the op alone and of the op over time, each as `over` makes it."""
    jobs = {}
    for who, op in (("alone", case.op), ("over time", parallel.over_time(case.op, Middle()))):
        for what in measure.PASSES:
            jobs[who, what] = measure.job(case, over(op), what)
    with mock.patch.object(mx.distributed, "all_gather", lambda x, group: mx.repeat(x, group.size(), axis=0)):
        times, _ = measure.turns(jobs, tqdm(range(rounds + 1), desc=case.label, leave=False))
    cells = []
    for what in measure.PASSES:
        alone, cut = times["alone", what], times["over time", what]
        cells += [f"{1e3 * alone:.1f}", f"{1e3 * cut:.1f}", f"{100 * (cut / alone - 1):.0f} %"]
    return f"| {label} | {' | '.join(cells)} |"


def _ranks(name):
    """The number of shapes that the gates of an op may have."""
    return max(len(array.shapes) for array in cases.loader.get(name).spec.inputs)


if __name__ == "__main__":
    main()
