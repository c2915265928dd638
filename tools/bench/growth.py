"""How time grows with L: contenders take turns at every length, and the exponent is fitted where L is large."""

import math
from dataclasses import dataclass

from tqdm import tqdm

from . import cases, measure

LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384)
# From here on the exponent is fitted; the gradient of a loop in plain MLX grows with L squared and stops here too.
LONG = 512


@dataclass
class Curve:
    """Forward and backward of one contender: seconds, the least of a few turns, by length."""

    op: str
    engine: str
    who: str
    seconds: dict
    exponent: float | None


def fit(seconds):
    """x of time ~ L^x over the lengths from LONG on, by least squares, or None where there is but one."""
    points = [(math.log(length), math.log(time)) for length, time in seconds.items() if length >= LONG]
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(values) / len(points) for values in zip(*points))
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)


def run(name, lengths, rounds, sizes, skip=()):
    """The curves of an op's contenders but for `skip`; `sizes` are the other arguments of `cases.make`."""
    made = {length: cases.make(name, length=length, **sizes).without(skip) for length in lengths}
    jobs = {
        (who, length): measure.job(case, function, "forward+backward")
        for length, case in made.items()
        for who, function in case.contenders.items()
        if who != cases.PLAIN or length <= LONG
    }
    best = dict.fromkeys(jobs, math.inf)
    for _ in tqdm(range(rounds + 1), desc=f"{name} over L", leave=False):
        for key, run_once in jobs.items():
            best[key] = min(best[key], measure.seconds(run_once))
    curves = {who: {length: t for (w, length), t in best.items() if w == who} for who, _ in jobs}
    engine = made[lengths[0]].op.engine.NAME
    return [Curve(name, engine, who, times, fit(times)) for who, times in curves.items()]


def draw(path, curves, title):
    """A panel for each op: time against L, both logarithmic, with the exponents in the legend."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    ops = dict.fromkeys(curve.op for curve in curves)
    columns = min(4, len(ops))
    rows = math.ceil(len(ops) / columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(3.6 * columns, 3.1 * rows), squeeze=False)
    for panel in axes.flat[len(ops) :]:
        panel.axis("off")
    for op, panel in zip(ops, axes.flat):
        for curve in (c for c in curves if c.op == op):
            fitted = "" if curve.exponent is None else f", L^{curve.exponent:.2f}"
            milliseconds = [1e3 * time for time in curve.seconds.values()]
            panel.loglog(list(curve.seconds), milliseconds, marker="o", markersize=3, label=curve.who + fitted)
        panel.set(title=op, xlabel="L", ylabel="ms, forward + backward")
        panel.xaxis.set_major_formatter("{x:.0f}")
        panel.grid(alpha=0.3)
        panel.legend(fontsize="x-small")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def table(curves):
    """The curves as a Markdown table, in milliseconds."""
    lengths = sorted({length for curve in curves for length in curve.seconds})
    lines = [("op", "who", *(f"L {length}" for length in lengths), f"exponent from {LONG}")]
    lines.append(("---", "---", *("---:" for _ in lines[0][2:])))
    for curve in curves:
        times = (f"{1e3 * curve.seconds[n]:.2f}" if n in curve.seconds else "" for n in lengths)
        lines.append((curve.op, curve.who, *times, "" if curve.exponent is None else f"{curve.exponent:.2f}"))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
