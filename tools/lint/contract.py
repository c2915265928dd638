"""The manifest against the kernel files: names, order, constness, dtypes and shapes, both ways."""

import re
from math import prod

from loader import plan

from . import kernels
from .finding import Finding
from .source import Source

_TYPES = {"float32": "float", "float16": "half", "bfloat16": "bfloat", "int32": "int", "uint32": "uint",
          "int64": "long", "uint64": "ulong", "int16": "short", "uint16": "ushort", "int8": "char",
          "uint8": "uchar", "bool": "bool"}  # fmt: skip
_SIZES = ("shape", "strides", "ndim")
_MOST_THREADS = 512


def check(specs, manifest):
    """Findings in the kernels of a manifest's ops; `manifest` is its Source."""
    found = set()
    for spec in specs.values():
        for variant in spec.variants:
            for step in (s for steps in variant.passes for s in steps if hasattr(s, "kernel")):
                path = spec.root / "shaders" / f"{step.kernel}.metal"
                found |= set(_step(step, variant, spec, Source(path), manifest))
    return found


def _step(step, variant, spec, source, manifest):
    functions = [function for function in source.functions if function.is_kernel]
    if len(functions) != 1:
        message = f"expected one kernel but found {len(functions)}"
        yield Finding(source.name, 1, 1, "signature", message)
        return
    function = functions[0]
    if not re.match(r"\s*(//|/\*)", source.text):
        yield Finding(source.name, 1, 1, "head", "expected a comment with the recurrence at the top")

    def at(token, rule, message):
        return Finding(source.name, *source.lines.at(token.start), rule, message)

    yield from _names(at, step, spec, function, manifest)
    yield from _constants(at, step, spec, function, manifest)
    arrays = _arrays(spec, variant)
    expressions = {name: expression.text for name, expression in step.template}
    for declared, name in (*step.inputs, *step.outputs):
        parameter = next((p for p in function.parameters if p.name and p.name.text == declared), None)
        if parameter is not None and name in arrays:
            yield from _dtype(at, parameter, name, arrays[name], expressions)
            yield from _shape(at, source, parameter, name, arrays[name])


def _names(at, step, spec, function, manifest):
    """Names, order and constness of the buffers."""
    buffers = [p for p in function.parameters if p.name and p.is_pointer and not p.attributes]
    const = {p.name.text for p in buffers if "const" in p.words}
    sizes = {f"{name}_{size}" for name in const for size in _SIZES}
    for what, pairs, is_input in (("input", step.inputs, True), ("output", step.outputs, False)):
        declared = [name for name, _ in pairs]
        written = [p for p in buffers if ("const" in p.words) == is_input and p.name.text not in sizes]
        names = [p.name.text for p in written]
        everything = {p.name.text: p for p in buffers}
        for name in declared:
            if name in names:
                continue
            if name in everything:
                say = "must be const" if is_input else "must not be const"
                yield at(everything[name].tokens[0], "signature", f"{name} is an {what} in the manifest, so it {say}")
            else:
                message = f"the manifest's {what} {name} of {step.kernel} is no parameter of {function.name.text}"
                yield at(function.name, "signature", message)
                yield Finding(manifest.name, step.where.line, 1, "signature", f"[{spec.name}] {message}")
        others = {name for name, _ in (*step.inputs, *step.outputs)}
        for parameter in written:
            if parameter.name.text not in others:
                message = f"{parameter.name.text} is no {what} of {step.kernel} in the manifest"
                yield at(parameter.tokens[0], "signature", f"{message}, line {step.where.line}")
        if sorted(names) == sorted(declared) and names != declared:
            wrong = [p for p, name in zip(written, declared) if p.name.text != name][0]
            yield at(
                wrong.tokens[0], "signature", f"expected the {what}s in the manifest's order: {', '.join(declared)}"
            )


def _constants(at, step, spec, function, manifest):
    """Template constants: the manifest's, and HAS_<NAME> of what is optional."""
    declared = {name for name, _ in step.template} | {flag for flag, _ in plan.flags(step, spec)}
    written = kernels.constants(function)
    for name in sorted(declared - {name for _, name in written}):
        message = f"the template constant {name} of {step.kernel} is none of {function.name.text}"
        yield at(function.name, "signature", message)
        yield Finding(manifest.name, step.where.line, 1, "signature", f"[{spec.name}] {message}")
    for part, (kind, name) in zip(function.template or (), written):
        if name not in declared:
            yield at(part[0], "signature", f"the manifest gives {step.kernel} no template constant {name}")
        if kind not in ("typename", "int", "bool", "uint"):
            yield at(part[0], "template-constant", f"{name} is a {kind}")


def _arrays(spec, variant):
    """(dtype, or the input or constant it is of, and shapes) of every array a step may name."""
    found = {}
    for array in (*spec.inputs, *spec.outputs, *variant.saved, *variant.workspace):
        of = next((a for a in spec.inputs if a.name == array.like), array)
        kind = _TYPES.get(of.dtypes[0]) if len(of.dtypes) == 1 else of.name if of.dtypes else of.like
        found[array.name] = (kind, [[axis.text for axis in axes] for axes in array.shapes])
    for array in (*spec.inputs, *spec.outputs):
        found.setdefault(f"grad_{array.name}", found[array.name])
    for option in spec.options:
        if option.kind == "float":
            found[option.name] = ("float", [["1"]])
    return found


def _dtype(at, parameter, name, array, expressions):
    wanted = array[0]
    given = [token.text for token in parameter.type if token.kind == "word"]
    given = next((w for w in given if w not in ("const", "device", "constant", "metal", "thread")), "")
    fitting = [constant for constant, text in expressions.items() if text in (f"dtype({wanted})", wanted)]
    if wanted in _TYPES.values():
        fitting = [wanted, *(c for c, text in expressions.items() if _TYPES.get(text) == wanted)]
    if given not in fitting:
        expected = " or ".join(fitting) or f"a template constant that is dtype({wanted})"
        yield at(parameter.tokens[0], "dtype", f"expected {name} to be {expected} but got {given}")


def _shape(at, source, parameter, name, array):
    """The comment at the end of the parameter's line, with the lines below it where it goes on."""
    lines = source.text.splitlines()[source.lines.at(parameter.tokens[0].start)[0] - 1 :]
    comment = re.search(r"//((.* or\s*\n\s*//)*.*)", "\n".join(lines)) if "//" in lines[0] else None
    expected = " or ".join(f"[{', '.join(axes)}]" for axes in array[1])
    if not comment:
        yield at(parameter.tokens[0], "shape", f"expected // {expected} after {name}")
        return
    # A kernel that several ops share names the shapes of all.
    written = re.sub(r"\s*\n\s*//", "", comment[1]).rstrip()
    if not _plain(expected) <= _plain(written):
        yield at(parameter.tokens[0], "shape", f"expected // {expected} after {name} but got //{written}")


def _plain(text):
    """The shapes of a comment without their spaces; `/` and `//` are one to a reader."""
    return {re.sub(r"\s+", "", shape).replace("//", "/").removesuffix(".") for shape in text.split(" or ")}


def grid(launch, step, spec, manifest):
    """Findings in the sizes that a launch's expressions come to."""

    def finding(rule, message):
        return Finding(manifest.name, step.where.line, 1, rule, f"[{spec.name}] {step.kernel} {message}")

    threads, total = launch.arguments["threadgroup"], launch.arguments["grid"]
    if min(*threads, *total) < 1:
        yield finding("manifest", f"launches a grid of {total} in groups of {threads}: expected 1 or more of each")
    elif prod(threads) > _MOST_THREADS:
        yield finding("threads", f"launches groups of {prod(threads)} threads, more than {_MOST_THREADS}")
