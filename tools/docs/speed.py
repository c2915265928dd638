"""Speed at the sizes of real models, for README.md: a picture and a table of what docs/performance.md has measured."""

import math
import re

from . import svg
from .table import read, table

GPU, CPU = "Models on one NVIDIA H200", "Models on two cores"
_OURS, _PEER, _BACK = "#3b73b9", "#c9ced6", "#9bbbe0"
_NAME, _PLOT, _ROW = 190, 330, 34


def of_gpu(page):
    """The GPU's rows as a table: model, op, ours and what its users run there."""
    rows = [(row["model"], row["op"], row["now"], row["peer"]) for row in read(page, GPU) if row["peer"]]
    return table([("model", "op and sizes", "ours, ms", "peer, ms"), *rows])


def draw(page):
    """Both tables as an SVG picture: milliseconds beside the peer's on a GPU, speed-ups over mlx-lm on a CPU."""
    gpu, gpu_end = _gpu([row for row in read(page, GPU) if row["peer"]], 58)
    cpu, cpu_end = _cpu(read(page, CPU), 58, _NAME + _PLOT + 70)
    title = "Time at the sizes of public models, beside what users of those models run"
    width = 2 * (_NAME + _PLOT) + 110
    return svg.document(width, max(gpu_end, cpu_end) + 14, title, [*gpu, *cpu])


def _pair(cell):
    """The two numbers that a cell starts with, forward / forward and backward, as written."""
    return re.match(r"([\d.]+) / ([\d.]+)", cell).groups()


def _gpu(rows, top):
    shapes = [
        svg.text(16, 24, "One NVIDIA H200, B 1, L 8192, ms, lower is better", "title"),
        *_legend(16, 44, ((_OURS, "ours"), (_PEER, "mamba-ssm's, flash-linear-attention's"))),
    ]
    most = max(float(number) for row in rows for key in ("now", "peer") for number in _pair(row[key]))
    y = top
    for row in rows:
        ours, peer = _pair(row["now"]), _pair(row["peer"])
        shapes.append(svg.text(16, y + 14, row["model"]))
        for what, a, b in zip(("forward", "and backward"), ours, peer):
            shapes.append(svg.text(_NAME - 8, y + 14, what, "faint end"))
            for number, color, at in ((a, _OURS, y), (b, _PEER, y + 11)):
                width = float(number) / most * _PLOT
                shapes.append(svg.bar(_NAME, at, width, 10, color))
                shapes.append(svg.text(_NAME + width + 5, at + 9, number))
            y += 27
        y += 8
    return shapes, y


def _cpu(rows, top, left):
    shapes = [
        svg.text(left, 24, "Two cores of an Intel Xeon, B 1, L 512, times as fast as mlx-lm (log)", "title"),
        *_legend(left, 44, ((_BACK, "forward"), (_OURS, "forward and backward"))),
    ]
    most = math.log(max(float(number) for row in rows for number in _pair(row["mlx-lm / ours"])))
    y = top
    for row in rows:
        shapes.append(svg.text(left, y + 14, row["model"]))
        for number, color, at in zip(_pair(row["mlx-lm / ours"]), (_BACK, _OURS), (y, y + 11)):
            width = max(1, math.log(float(number)) / most * _PLOT)
            shapes.append(svg.bar(left + 150, at, width, 10, color))
            shapes.append(svg.text(left + 150 + width + 5, at + 9, f"{number}x"))
        y += 29
    return shapes, y


def _legend(x, y, entries):
    shapes = []
    for color, words in entries:
        shapes += [svg.bar(x, y - 9, 10, 10, color), svg.text(x + 16, y, words, "faint")]
        x += 30 + len(words) * svg.LETTER
    return shapes
