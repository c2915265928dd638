"""Timing: contenders take turns, medians are compared, bytes are counted from the manifest's steps."""

import time
from dataclasses import dataclass
from statistics import median

import mlx.core as mx
import numpy as np
from tqdm import tqdm

PASSES = ("forward", "forward+backward")
# Passes queued at once on a GPU, and the bytes that long ones may take together.
QUEUED = 10
QUEUED_BYTES = 2**35


@dataclass
class Row:
    """One contender in one pass. `ratio` is its time over ours; `floor` the share of copy bandwidth reached;
    `saved_megabytes` the arrays that our forward pass saves for the backward pass beside inputs and outputs."""

    case: str
    dtype: str
    engine: str
    who: str
    what: str
    milliseconds: float
    ratio: float
    tokens_per_second: float
    peak_megabytes: float
    floor: float | None
    saved_megabytes: float | None


def run(case, rounds):
    """A row for each contender and pass."""
    jobs = {(who, what): job(case, f, what) for who, f in case.contenders.items() for what in PASSES}
    times, peaks = turns(jobs, tqdm(range(rounds + 1), desc=case.label, leave=False))
    forward, both, saved = _bytes(case)
    bandwidth = _copy_bandwidth()
    floors = {"forward": forward / bandwidth, "forward+backward": both / bandwidth}
    return [
        Row(
            case=case.label,
            dtype=case.dtype,
            engine=case.op.engine.NAME,
            who=who,
            what=what,
            milliseconds=1e3 * times[who, what],
            ratio=times[who, what] / times["ours", what],
            tokens_per_second=case.tokens / times[who, what],
            peak_megabytes=peaks[who, what] / 2**20,
            floor=floors[what] / times["ours", what] if who == "ours" else None,
            saved_megabytes=saved / 2**20 if who == "ours" and what != "forward" else None,
        )
        for who, what in jobs
    ]


def turns(jobs, rounds):
    """Median seconds and peak bytes of each job, which take turns; of the rounds, 0 on, the first is for the peaks."""
    taken, peaks = {key: [] for key in jobs}, {}
    for turn in rounds:
        for key, run_once in jobs.items():
            if turn:
                taken[key].append(seconds(run_once))
            else:
                peaks[key] = peak(run_once)
    return {key: median(values) for key, values in taken.items()}, peaks


def peak(run_once):
    """The peak bytes of one pass alone; timed passes are queued together on a GPU."""
    mx.synchronize()  # the memory of the pass before is freed on another thread
    mx.reset_peak_memory()
    mx.eval(run_once())
    return mx.get_peak_memory()


def job(case, function, what):
    """A pass of one contender, as a function without arguments."""
    primals = list(case.inputs.values())
    if what == "forward":
        return lambda: function(*primals)
    return lambda: mx.vjp(function, primals, case.cotangents)


def _bytes(case):
    """Bytes that forward, and forward and backward together, read and write, and those saved in between."""
    options = tuple(option.default for option in case.op.spec.options)
    results = case.op.run_forward(case.inputs, options)
    plan = case.op.plan(case.inputs, options)
    sizes = {name: x.nbytes for name, x in case.inputs.items()}
    sizes |= {array.name: x.nbytes for array, x in zip(plan.results, results)}
    saved = sum(x.nbytes for x in results[len(case.op.spec.outputs) :])
    sizes |= {f"grad_{name}": size for name, size in sizes.items()}
    forward, backward = (
        sum(sizes.get(name, 0) for step in steps for name in (*step.reads, *step.makes))
        for steps in (plan.forward, plan.backward)
    )
    return forward, forward + backward, saved


def _copy_bandwidth(megabytes=256):
    """Bytes a second that a copy reads and writes, the best of several."""
    if mx.default_device() == mx.Device(mx.gpu):
        x = mx.zeros((megabytes * 2**18,))
        return 2 * x.nbytes / min(seconds(lambda: x + 1) for _ in range(8))
    x = np.zeros(megabytes * 2**18, np.float32)
    y = np.ones_like(x)
    return 2 * x.nbytes / min(_seconds_of_copy(y, x) for _ in range(8))


def _seconds_of_copy(to, x):
    start = time.perf_counter()
    np.copyto(to, x)
    return time.perf_counter() - start


def queued(peak_bytes):
    """How many passes with such a peak may be queued at once, so that a GPU need not free memory in between."""
    return max(1, min(QUEUED, QUEUED_BYTES // peak_bytes))


def seconds(run_once, queued=QUEUED):
    """Seconds of a pass. A GPU gets several passes before we wait, so that its own time is measured."""
    calls = queued if mx.default_device() == mx.Device(mx.gpu) else 1
    start = time.perf_counter()
    for _ in range(calls):
        last = run_once()
        mx.async_eval(last)
    # mx.synchronize() would keep Python's lock while it waits.
    mx.eval(last)
    return (time.perf_counter() - start) / calls
