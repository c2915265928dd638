"""The page of one op: what the manifest and the kernels' own comments say, put in order."""

import ast

from loader.expression import DTYPES
from loader.op import STATE
from loader.source import read
from loader.testing import BOUNDS

from . import diagram
from .table import linked

_STATES = (
    "With `return_states=True` the state after each of at most 8 steps takes the final one's place, and with "
    "`cu_seqlens=` there is one for each packed sequence, in and out: [serving](../serving.md)."
)


def write(spec, bench):
    """The page as Markdown. `bench` is a file of figures to take in, if it is there."""
    parts = [
        f"# {spec.name}\n\n<!-- Written by python -m tools.docs from manifest.yaml; do not edit. -->",
        f"{spec.summary}\n\n{linked(spec.paper)}".strip(),
        _arrays(spec),
        _options(spec),
        *_variants(spec),
        _bounds(spec),
        _kernels(spec),
        f"## Timings\n\n{bench.read_text(encoding='utf-8').strip()}" if bench.is_file() else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def shape(axes):
    return f"`[{', '.join(axis.text for axis in axes)}]`"


def _arrays(spec):
    rows = [(f"`{a.name}`", " or ".join(map(shape, a.shapes)), _dtype(a), _note(a)) for a in spec.inputs]
    results = [(f"`{a.name}`", shape(a.shapes[0]), _dtype(a), _note(a)) for a in spec.outputs]
    head = ("shape", "dtype", "")
    text = f"## Inputs\n\n{_table(('input', *head), rows)}\n\n## Outputs\n\n{_table(('output', *head), results)}"
    return f"{text}\n\n{_STATES}" if spec.carries else text


def _dtype(array):
    return f"that of `{array.like}`" if array.like else ", ".join(array.dtypes)


def _note(array):
    if array.name == STATE:
        return "with `return_state=True`"
    notes = ["optional keyword"] if array.optional else []
    return ", ".join(notes if array.differentiable else [*notes, "no gradient"])


def _options(spec):
    parts = []
    if spec.options:
        rows = [(f"`{option.name}`", option.kind, f"`{option.default}`", option.note) for option in spec.options]
        parts.append(f"## Options\n\n{_table(('keyword', 'type', 'default', 'note'), rows)}")
    if spec.requires:
        rows = "\n".join(f"- `{condition}`, else: {sentence}." for condition, sentence in spec.requires)
        parts.append(f"## Conditions\n\n{rows}")
    return "\n\n".join(parts)


def _variants(spec):
    """How each variant computes the op; the last one has no condition."""
    for variant in spec.variants:
        parts = [f"## Steps where `{variant.when}`" if variant.when else "## Steps"]
        if variant.constants:
            parts.append("Constants: " + ", ".join(f"`{name} = {value}`" for name, value in variant.constants) + ".")
        parts.append(diagram.draw(variant))
        parts += [_kept("saved for backward", variant.saved), _kept("within a pass", variant.workspace)]
        yield "\n\n".join(part for part in parts if part)


def _kept(title, arrays):
    rows = [(f"`{array.name}`", shape(array.shapes[0]), _dtype(array), f"`{_size(array)}`") for array in arrays]
    return _table((title, "shape", "dtype", "bytes"), rows) if rows else ""


def _size(array):
    """The bytes of an array, as a product."""
    width = f"sizeof({array.like})" if array.like else str(DTYPES[array.dtypes[0]].size)
    return " * ".join([width, *map(_factor, array.shapes[0])])


def _factor(expression):
    whole = isinstance(ast.parse(expression.text, mode="eval").body, ast.Name | ast.Constant | ast.Call)
    return expression.text if whole else f"({expression})"


def _bounds(spec):
    found = {dtype: (bound, "") for dtype, bound in BOUNDS.items()}
    found |= {dtype: (bound, reason) for dtype, bound, reason in spec.bounds}
    rows = [(dtype, f"{bound:g}".replace("e-0", "e-"), reason) for dtype, (bound, reason) in found.items()]
    return (
        "## Promised errors\n\n"
        "rms(got - want) / rms(want) of outputs, state and every gradient, against the recurrence in float64:\n\n"
        + _table(("dtype", "at most", ""), rows)
    )


def _kernels(spec):
    files = dict.fromkeys(step.kernel for step in spec.steps)
    return "## Kernels\n\n" + "\n\n".join(_kernel(spec, f"shaders/{file}.metal") for file in files)


def _kernel(spec, file):
    """The comment that opens a kernel file, as it stands."""
    lines = (spec.root / file).read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    comment = "\n".join(line.removeprefix("//").removeprefix(" ") for line in lines[:end])
    name = read(spec.root / file, spec.root).name
    return f"`{name}` in [{file}](../../{file}):\n\n```text\n{comment}\n```"


def _table(head, rows):
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells).rstrip() + " |" for cells in lines)
