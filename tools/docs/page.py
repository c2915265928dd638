"""The page of one op: what the manifest and the kernels' own comments say, put in order."""

import re

from loader.call import signature
from loader.spec import STATE, Bound, SumStep
from loader.testing import BOUNDS

from . import example
from .table import linked, plain, table

_STATES = (
    "`return_states=True` returns the states after each of at most 8 steps instead of the final one, and `cu_seqlens=` "
    "gives each packed sequence an initial and a final state: [serving](../serving.md)."
)
_FLOATS = "float32, float16, bfloat16"


def write(spec, bench):
    """The page as Markdown. `bench` is a file of figures to include, if it exists."""
    parts = [
        f"# {spec.name}\n\n<!-- Written by python -m tools.docs from manifest.yaml; do not edit. -->",
        f"{spec.summary}\n\n{linked(spec.paper)}".strip(),
        _call(spec),
        f"## Example\n\n```python\n{example.call(spec)}\n```",
        _decoding(spec),
        _steps(spec),
        _variants(spec),
        _kernels(spec),
        _bounds(spec),
        f"## Timings\n\n{bench.read_text(encoding='utf-8').strip()}" if bench.is_file() else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def shape(axes):
    return f"`[{', '.join(axis.text for axis in axes)}]`"


def _call(spec):
    """Signature, and a row for each argument and result."""
    arrays = [(f"`{a.name}`", _shapes(a), _dtype(a), _note(a)) for a in spec.inputs]
    options = [
        (f"`{o.name}`", "", o.kind, f"keyword, `{o.default}` by default. {o.note}".strip()) for o in spec.options
    ]
    results = [(f"`{a.name}`", _shapes(a), _dtype(a), _note(a)) for a in spec.outputs]
    parts = [
        f"## Call\n\n```text\n{spec.name}{signature(spec)}\n```",
        table([("argument", "shape", "dtype", ""), *arrays, *options]),
        table([("result", "shape", "dtype", ""), *results]),
        "`float` is float32, float16 or bfloat16, also mixed; a gradient has the dtype of its input.",
    ]
    if spec.requires:
        parts.append("\n".join(f"- `{condition}`, or ValueError: {sentence}." for condition, sentence in spec.requires))
    if spec.carries:
        parts.append(_STATES)
    return "\n\n".join(parts)


def _shapes(array):
    return " or ".join(map(shape, array.shapes))


def _dtype(array):
    if array.like:
        return f"that of `{array.like}`"
    dtypes = ", ".join(array.dtypes)
    return "`float`" if dtypes == _FLOATS else dtypes


def _note(array):
    if array.name == STATE:
        return "with `return_state=True`"
    notes = ["optional keyword"] if array.optional else []
    return ", ".join(notes if array.differentiable or array.like else [*notes, "no gradient"])


def _decoding(spec):
    code = example.decode(spec)
    if code is None:
        return ""
    return (
        "## Decoding\n\n`step` takes one token, inputs without the time axis, and the state of the tokens before.\n\n"
        f"```python\n{code}\n```"
    )


def _steps(spec):
    """The picture, and the arrays of the general variant."""
    variant = spec.variants[-1]
    parts = [f"## How it runs\n\n![The kernels of {spec.name} and the arrays between them]({spec.name}.svg)"]
    rows = [(f"`{a.name}`", shape(a.shapes[0]), _dtype(a), "forward to backward") for a in variant.saved]
    rows += [(f"`{a.name}`", shape(a.shapes[0]), _dtype(a), "one pass") for a in variant.workspace]
    if rows:
        constants = ", ".join(f"`{name} = {value}`" for name, value in variant.constants)
        inside = [
            table([("array", "shape", "dtype", "lives for"), *rows]),
            f"Constants: {constants}." if constants else "",
        ]
        parts.append(_folded("Arrays between the kernels", "\n\n".join(filter(None, inside))))
    return "\n\n".join(parts)


def _variants(spec):
    """The variants for other sizes and ranks, folded, one row each."""
    if len(spec.variants) == 1:
        return ""
    rows = [(f"`{v.when}`", _names(v.forward), _names(v.backward)) for v in spec.variants[:-1]]
    count = f"{len(rows)} other variant{'s' * (len(rows) > 1)}; the first whose condition holds runs"
    return _folded(count, table([("where", "forward", "backward"), *rows]))


def _names(steps):
    names = [f"sum over axis {step.axis}" if isinstance(step, SumStep) else f"`{step.kernel}`" for step in steps]
    return ", ".join(dict.fromkeys(names))


def _kernels(spec):
    files = dict.fromkeys(step.kernel for step in spec.steps)
    lines = [f"- [shaders/{file}.metal](../../shaders/{file}.metal): {_subject(spec, file)}" for file in files]
    return _folded(f"{len(lines)} kernel{'s' * (len(lines) > 1)}", "\n".join(lines))


def _subject(spec, file):
    """The first sentence of the comment that opens a kernel file."""
    lines = (spec.root / f"shaders/{file}.metal").read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    comment = " ".join(line.removeprefix("//").strip() for line in lines[:end])
    return plain(re.split(r"(?<!\.)\.(?: |$)", comment)[0])


def _folded(title, inside):
    return f"<details markdown>\n<summary>{title}</summary>\n\n{inside}\n\n</details>"


def _bounds(spec):
    found = {dtype: Bound(dtype, bound, "") for dtype, bound in BOUNDS.items()}
    found |= {bound.result: bound for bound in spec.bounds}
    rows = [
        (b.result, f"{b.bound:g}".replace("e-0", "e-"), f"where {b.when.text}: {b.reason}" if b.when else b.reason)
        for b in found.values()
    ]
    return (
        "## Promised errors\n\n"
        "rms(got - want) / rms(want) of outputs, state and every gradient, against the recurrence in float64:\n\n"
        + table([("dtype or result", "at most", ""), *rows])
    )
