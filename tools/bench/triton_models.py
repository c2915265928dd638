"""Models' ops beside flash-linear-attention and mamba-ssm on one GPU: the table of `tools.bench.triton --model`."""

import time
from statistics import median

import mlx.core as mx
import numpy as np
import torch

from . import measure, model_case, models, triton_peers

COLUMNS = ("model", "dtype", *("ours f", "peer f", "ratio"), *("ours f+b", "peer f+b", "ratio"))
COLUMNS += ("ours MB", "peer MB", "ratio")
LABELS = ("ours", "peer")


def run(options):
    print("Milliseconds, medians of", options.rounds, f"turns of {measure.QUEUED} queued passes;", device(), flush=True)
    print(f"| {' | '.join((*COLUMNS, 'notes'))} |\n|{' --- |' * 2}{' ---: |' * 9} --- |")
    for name in models.names(options.model):
        for dtype in options.dtype:
            print(_row(name, dtype, options), flush=True)


def device():
    return torch.cuda.get_device_name()


def _row(name, dtype, options):
    """One model; whatever goes wrong on either side is said in the row, and the other side is timed all the same."""
    notes, sides = [], []
    for who, make in zip(LABELS, (_ours, _peer)):
        try:
            sides.append(make(name, dtype, options))
        except Exception as error:
            notes.append(f"{who}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
            sides.append(None)
    try:
        if all(sides):
            notes.append(f"outputs differ by {_difference(*sides):.0e}")
        times, peaks = _measure(sides, options.rounds)
    except Exception as error:
        return _cells(name, dtype, {}, {}, [*notes, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"])
    finally:
        sides.clear()
        mx.clear_cache()
        torch.cuda.empty_cache()
    return _cells(name, dtype, times, peaks, notes)


class _Side:
    """One contender: a function for each pass, how to time one, and the peak bytes of a call."""

    def __init__(self, forward, both, seconds, peak):
        self.passes, self.seconds, self.peak = dict(zip(measure.PASSES, (forward, both))), seconds, peak


def _case(name, dtype, options):
    return model_case.make(name, options.length, options.scale, dtype, options.batch)


def _ours(name, dtype, options):
    case = _case(name, dtype, options)
    jobs = [measure.job(case, case.contenders["ours"], what) for what in measure.PASSES]
    return _Side(*jobs, measure.seconds, _peak_of_mlx)


def _peer(name, dtype, options):
    """The peer on the arrays that ours gets, which are drawn again from the same seed."""
    model, op = models.MODELS[name], model_case.loader.get(models.MODELS[name].op)
    mx.random.seed(0)
    sizes = {"B": options.batch, "L": options.length, **models.scaled(model, options.scale)}
    arrays = model_case.draw(model, op, sizes, dtype)
    inputs = {key: torch_of(x, getattr(torch, str(x.dtype).rpartition(".")[2])) for key, x in arrays.items()}
    function, inputs = triton_peers.of(model, inputs)
    inputs = {key: x.detach().requires_grad_() for key, x in inputs.items()}
    with torch.no_grad():
        cotangent = torch.randn_like(function(inputs))

    def both():
        return torch.autograd.grad(function(inputs), list(inputs.values()), cotangent, allow_unused=True)

    return _Side(lambda: function(inputs), both, seconds, _peak_of_torch)


def _difference(ours, peer):
    want = np.array(ours.passes["forward"]().astype(mx.float32))
    got = peer.passes["forward"]().detach().float().cpu().numpy()
    return np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))


def _measure(sides, rounds):
    """Median milliseconds by (side, pass) and peak megabytes by side; the sides take turns."""
    present = {i: side for i, side in enumerate(sides) if side}
    taken = {(i, what): [] for i in present for what in measure.PASSES}
    for turn in range(rounds + 1):
        for i, what in taken:
            took = present[i].seconds(present[i].passes[what])
            if turn:
                taken[i, what].append(took)
    peaks = {i: side.peak(side.passes["forward+backward"]) / 2**20 for i, side in present.items()}
    return {key: 1e3 * median(values) for key, values in taken.items()}, peaks


def _cells(name, dtype, times, peaks, notes):
    forward, both = ([times.get((i, what)) for i in (0, 1)] for what in measure.PASSES)
    cells = [name, dtype, *_pair(forward, 3), *_pair(both, 3), *_pair([peaks.get(i) for i in (0, 1)], 0)]
    return f"| {' | '.join([*cells, '; '.join(notes)])} |"


def _pair(values, digits):
    """Ours, the peer's, and their ratio."""
    ours, peer = values
    ratio = f"{ours / peer:.2f}" if ours and peer else ""
    return [*("" if x is None else f"{x:.{digits}f}" for x in values), ratio]


def _peak_of_mlx(run):
    mx.synchronize()
    mx.clear_cache()
    return measure.peak(run)


def _peak_of_torch(run):
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def torch_of(x, dtype):
    return torch.tensor(np.array(x.astype(mx.float32)), device="cuda").to(dtype)


def seconds(run):
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(measure.QUEUED):
        run()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / measure.QUEUED
