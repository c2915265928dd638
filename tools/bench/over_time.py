"""The cost to one device of cutting time between devices: `python -m tools.bench.over_time [OP ...]`.

One process computes what the middle of three ranks computes on its piece of `--length` steps, both passes and the folds
included, without a network: the collective returns this rank's part three times. It takes turns with the op on the same
piece alone.
"""

import argparse
from unittest import mock

import mlx.core as mx
from tqdm import tqdm

from loader import parallel
from loader.parallel.transitions import UNSPLIT

from . import cases, measure

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
    add("--length", type=int, default=8192, help="steps of the piece (default: %(default)s)")
    add("--batch", type=int, default=1, help="(default: %(default)s)")
    add("--dtype", default="float32", choices=tuple(cases.TOLERANCE), help="(default: %(default)s)")
    add("--rounds", type=int, default=5, help="turns of each (default: %(default)s)")
    options = parser.parse_args()
    print("| op | gates | forward, ms | over time | more | forward and backward, ms | over time | more |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in options.ops or OPS:
        for rank in range(_ranks(name)):
            print(row(name, rank, options.batch, options.length, options.dtype, options.rounds), flush=True)


def row(name, rank, batch, length, dtype, rounds):
    """A line of the table: medians of turns of the op on its own and of the op over time."""
    case = cases.make(name, batch, length, {}, dtype, {"g": rank, "A": rank})
    jobs = {}
    for who, function in (("alone", case.op), ("over time", parallel.over_time(case.op, Middle()))):
        for what in measure.PASSES:
            jobs[who, what] = measure.job(case, function, what)
    with mock.patch.object(mx.distributed, "all_gather", lambda x, group: mx.repeat(x, group.size(), axis=0)):
        times, _ = measure.turns(jobs, tqdm(range(rounds + 1), desc=case.label, leave=False))
    cells = []
    for what in measure.PASSES:
        alone, cut = times["alone", what], times["over time", what]
        cells += [f"{1e3 * alone:.1f}", f"{1e3 * cut:.1f}", f"{100 * (cut / alone - 1):.0f} %"]
    return f"| `{name}` | {rank + 1 if _ranks(name) > 1 else ''} | {' | '.join(cells)} |"


def _ranks(name):
    """The number of shapes that the gates of an op may have."""
    return max(len(array.shapes) for array in cases.loader.get(name).spec.inputs)


if __name__ == "__main__":
    main()
