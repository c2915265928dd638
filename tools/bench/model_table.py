"""The table of `python -m tools.bench --model`: a row a model and contender, errors in the row of their model."""

import mlx.core as mx

from . import measure, model_case
from .cases import OURS, TOLERANCE

HEADER = (
    "| model | dtype | who | forward ms | f+b ms | theirs / ours, f | theirs / ours, f+b | f+b MB |\n"
    "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
)


def run(name, length, scale, dtype, batch, rounds, skip):
    """The rows of a model as text. One case that fails prints its error, so that the next still runs."""
    try:
        case = model_case.make(name, length, scale, dtype, batch).without(skip)
        times, peaks = _times(case, rounds)
    except (ValueError, TypeError, RuntimeError) as error:
        return f"| {name} | {dtype} | {OURS} | {' '.join(str(error).split())} |"
    return "\n".join(_row(case, who, times, peaks) for who in case.contenders)


def _times(case, rounds):
    """Median seconds by (contender, pass), and the peak bytes of its training pass; they take turns."""
    keys = [(who, what) for who in case.contenders for what in measure.PASSES]
    jobs = {(who, what): measure.job(case, case.contenders[who], what) for who, what in keys}
    times, peaks = measure.turns(jobs, range(rounds + 1))
    return times, {who: peaks[who, measure.PASSES[-1]] for who in case.contenders}


def _row(case, who, times, peaks):
    forward, both = (times[who, what] for what in measure.PASSES)
    ratios = [times[who, what] / times[OURS, what] for what in measure.PASSES]
    note = difference(case, who)
    numbers = f"{1e3 * forward:.2f} | {1e3 * both:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {peaks[who] / 2**20:.0f}"
    return f"| {case.label} | {case.dtype} | {who}{note} | {numbers} |"


def difference(case, who):
    """A warning for the row of a contender whose output differs from ours."""
    primals = list(case.inputs.values())
    want, got = (case.contenders[w](*primals).astype(mx.float32) for w in (OURS, who))
    error = (mx.sqrt(((got - want) ** 2).mean()) / mx.sqrt((want**2).mean())).item()
    return "" if error <= TOLERANCE[case.dtype] else f" (differs by {error:.0e})"
