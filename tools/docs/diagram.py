"""The steps of an op's general form as a picture: both passes, and the arrays that each step reads and makes."""

import textwrap

from loader.spec import SumStep

from . import svg

# Letters in a line, and pixels: of a box, between the passes, and around.
_LETTERS, _BETWEEN, _AROUND = 52, 60, 16
_WIDTH = round(_LETTERS * svg.LETTER) + 24
_GAP = 26


def draw(spec):
    """The picture of the last variant, which has no condition, as SVG."""
    variant = spec.variants[-1]
    saved = {array.name for array in variant.saved}
    columns, shapes, bottom = (("forward", variant.forward), ("backward", variant.backward)), [], 0
    for i, (title, steps) in enumerate(columns):
        drawn, end = _column(_AROUND + i * (_WIDTH + _BETWEEN), title, steps, saved)
        shapes += drawn
        bottom = max(bottom, end)
    left = _AROUND + _WIDTH
    shapes.append(svg.arrow((left, 60), (left + _BETWEEN - 2, 60)))
    shapes.append(svg.text(left + _BETWEEN / 2, 52, "saved*" if saved else "inputs", "faint middle"))
    if saved:
        shapes.append(svg.text(_AROUND, bottom + 12, "* forward makes these arrays and backward reads them.", "faint"))
    title = f"The kernels of {spec.name}, forward and backward, and the arrays between them"
    return svg.document(2 * (_AROUND + _WIDTH) + _BETWEEN, bottom + 24, title, shapes)


def _column(x, title, steps, saved):
    """The shapes of one pass, and where they end."""
    shapes, y = [svg.text(x, 28, title, "title")], 42
    for number, step in enumerate(steps):
        lines = _lines(step, saved)
        height = svg.LINE * (len(lines) + 1) + 10
        if number:
            shapes.append(svg.arrow((x + _WIDTH / 2, y - _GAP), (x + _WIDTH / 2, y - 2)))
        shapes += [svg.box(x, y, _WIDTH, height), svg.text(x + 10, y + svg.LINE, _name(step), "title")]
        shapes += [svg.text(x + 10, y + svg.LINE * (i + 2), line) for i, line in enumerate(lines)]
        y += height + _GAP
    return shapes, y - _GAP


def _name(step):
    return f"sum over axis {step.axis}" if isinstance(step, SumStep) else f"{step.kernel}.metal"


def _lines(step, saved):
    marked = [[name + "*" * (name in saved) for name in names] for names in (step.reads, step.makes)]
    return [line for word, names in zip(("reads", "makes"), marked) for line in _wrapped(word, dict.fromkeys(names))]


def _wrapped(word, names):
    return textwrap.wrap(f"{word} {', '.join(names)}", _LETTERS, subsequent_indent="      ")
