"""Timing: contenders take turns, medians are compared, bytes are counted from the manifest's steps."""

import time
from dataclasses import dataclass
from statistics import median

import mlx.core as mx
import numpy as np
from tqdm import tqdm

PASSES = ("forward", "forward+backward")


@dataclass
class Row:
    """One contender in one pass. `ratio` is its time over ours; `floor` the share of copy bandwidth reached."""

    case: str
    dtype: str
    engine: str
    who: str
    what: str
    milliseconds: float
    ratio: float
    peak_megabytes: float
    floor: float | None


def run(case, rounds):
    """A row for each contender and pass."""
    jobs = {(who, what): _job(case, f, what) for who, f in case.contenders.items() for what in PASSES}
    seconds, peaks = {key: [] for key in jobs}, {}
    for _ in tqdm(range(rounds + 1), desc=case.label, leave=False):
        for key, job in jobs.items():
            mx.reset_peak_memory()
            start = time.perf_counter()
            mx.eval(job())
            seconds[key].append(time.perf_counter() - start)
            peaks[key] = mx.get_peak_memory()
    times = {key: median(values[1:]) for key, values in seconds.items()}
    floors = dict(zip(PASSES, _floors(case)))
    return [
        Row(
            case=case.label,
            dtype=case.dtype,
            engine=case.op.engine.NAME,
            who=who,
            what=what,
            milliseconds=1e3 * times[who, what],
            ratio=times[who, what] / times["ours", what],
            peak_megabytes=peaks[who, what] / 2**20,
            floor=floors[what] / times["ours", what] if who == "ours" else None,
        )
        for who, what in jobs
    ]


def _job(case, function, what):
    primals, cotangent = list(case.inputs.values()), [case.cotangent]
    if what == "forward":
        return lambda: function(*primals)
    return lambda: mx.vjp(function, primals, cotangent)


def _floors(case):
    """Seconds that a copy of the same bytes takes, for forward and for forward and backward together."""
    options = tuple(option.default for option in case.op.spec.options)
    results = case.op.run_forward(case.inputs, options)
    plan = case.op.plan(case.inputs, options)
    sizes = {name: x.nbytes for name, x in case.inputs.items()}
    sizes |= {array.name: x.nbytes for array, x in zip(plan.results, results)}
    sizes |= {f"grad_{name}": size for name, size in sizes.items()}
    bandwidth = _copy_bandwidth()
    forward, backward = (
        sum(sizes.get(name, 0) for step in steps for name in (*step.reads, *step.makes))
        for steps in (plan.forward, plan.backward)
    )
    return forward / bandwidth, (forward + backward) / bandwidth


def _copy_bandwidth(megabytes=256):
    """Bytes a second that a copy reads and writes, the best of a few."""
    if mx.default_device() == mx.Device(mx.gpu):
        x = mx.zeros((megabytes * 2**18,))
        return 2 * x.nbytes / min(_time(lambda: mx.eval(x + 1)) for _ in range(8))
    x = np.zeros(megabytes * 2**18, np.float32)
    y = np.ones_like(x)
    return 2 * x.nbytes / min(_time(lambda: np.copyto(y, x)) for _ in range(8))


def _time(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
