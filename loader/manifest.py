"""Reads manifest.yaml, strictly. The format is documented at the top of manifest.yaml itself."""

import os
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from . import document, infer, source, steps
from .expression import DTYPES, ENGINES, RESERVED
from .spec import (
    BATCH,
    FLOATS,
    PASSES,
    STATE,
    TIME,
    Array,
    Bound,
    OpSpec,
    Option,
    Variant,
)
from .vocabulary import Names

EDITION = 1


def load(path):
    """The ops of a manifest, `{name: OpSpec}`. Kernel files lie in `shaders/` beside it.

    Raises ManifestError naming file, line, op and key.
    """
    path = Path(os.path.abspath(path))
    root = document.read(path, path.name).fields(("edition", "ops"))
    if root["edition"].integer() != EDITION:
        raise root["edition"].error(f"this loader reads edition {EDITION}")
    headers = {}
    kernels = cache(lambda name: source.read(path.parent / "shaders" / f"{name}.metal", path.parent, headers))
    ops = {name: _op(name, value, path, kernels) for name, value in root["ops"].named().items()}
    _refuse_orphans(root["ops"], ops, path.parent / "shaders")
    return ops


def _refuse_orphans(value, ops, shaders):
    used = {shaders / f"{step.kernel}.metal" for op in ops.values() for step in op.steps}
    for path in sorted(shaders.rglob("*.metal")):
        if path not in used:
            raise value.error(f"no op uses the kernel file {path.relative_to(shaders.parent)}")


def _op(name, value, path, kernels):
    value = value.within(name)
    fields = value.fields(
        ("summary", "inputs", "outputs", "forward"),
        ("paper", "options", "requires", "transition", "bounds", "examples", "variants", "grid", *_VARIANT_KEYS),
    )
    arrays = frozenset(_named(fields["inputs"]))
    options = _options(fields["options"]) if "options" in fields else ()
    dims = _dims(fields["inputs"])
    names = Names(dims | {o.name for o in options if o.kind != "float"} | ENGINES.keys(), arrays)
    spec = OpSpec(
        name=name,
        summary=fields["summary"].text().strip(),
        paper=fields["paper"].text() if "paper" in fields else "",
        inputs=tuple(_input(n, v, names) for n, v in fields["inputs"].named().items()),
        outputs=_arrays(fields["outputs"], names),
        options=options,
        requires=_requires(fields["requires"], names) if "requires" in fields else (),
        bounds=(),
        examples=_examples(fields["examples"], dims) if "examples" in fields else (),
        variants=(),
        path=path,
    )
    _refuse_shared_names(value, spec, dims)
    if "bounds" in fields:
        spec = replace(spec, bounds=_bounds(fields["bounds"], spec, names))
    if "transition" in fields:
        spec = replace(spec, transition=_transition(fields["transition"], spec))
    around = partial(steps.Around, spec, kernels, fields.get("grid"), names)
    base = _variant(fields, spec, names, Variant(), around)
    made, failed = [], []
    for place in fields["variants"].items() if "variants" in fields else ():
        variant = _variant(place.fields(("when",), _VARIANT_KEYS), spec, names, base, around)
        made += steps.choices(place, variant, spec, failed)
        failed.append(variant.when.text)
    return replace(spec, variants=(*made, *steps.choices(value, base, spec, failed)))


def _refuse_shared_names(value, spec, dims):
    """Refuse two things of one name in a call; an input alone may share its name with a dim."""
    if not spec.inputs or all(array.name == STATE for array in spec.outputs):
        raise value.error(f"expected at least one input, and one output besides {STATE}")
    seen = set(_CALL)
    for thing in (*spec.inputs, *spec.outputs, *spec.options):
        if thing.name in seen or (isinstance(thing, Option) and thing.name in dims):
            what = (
                "is a word of every call"
                if thing.name in _CALL
                else "is declared twice among dims, inputs, outputs and options"
            )
            raise value.error(f"{thing.name!r} {what}")
        seen.add(thing.name)


def _named(value):
    """A mapping whose keys become names of an op."""
    fields = value.named()
    for name, child in fields.items():
        _refuse_reserved(name, child)
    return fields


def _refuse_reserved(name, value):
    if name in RESERVED:
        raise value.error(f"{name!r} has a meaning in expressions; choose another name")


def _dims(inputs):
    """The dims: names that are an axis of an input's shape by themselves. The axis gives such a name its value."""
    dims = set()
    for value in _named(inputs).values():
        shape = value.fields(("shape", "dtype"), _INPUT_KEYS)["shape"]
        for size in (size for axes in _alternatives(shape) for size in axes):
            if size.text().isidentifier():
                _refuse_reserved(size.text(), size)
                dims.add(size.text())
    return frozenset(dims)


def _alternatives(shape):
    """`[B, L]` or `[[B, L], [B, L, D]]` as a list of shapes."""
    items = shape.items()
    return [item.items() for item in items] if items and items[0].is_list() else [items]


# Arguments of every op beside its inputs and options.
_CALL = ("self", "return_state", "return_states", "cu_seqlens", "stream")
_INPUT_KEYS = ("optional", "sample", "decay")
_VARIANT_KEYS = ("constants", "saved", "workspace", *PASSES)


def _input(name, value, names):
    fields = value.fields(("shape", "dtype"), _INPUT_KEYS)
    dtype = fields["dtype"].text()
    if dtype not in (*DTYPES, "float"):
        raise fields["dtype"].error(f"expected float or one of {', '.join(DTYPES)} but got {dtype!r}")
    return Array(
        name=name,
        shapes=tuple(names.sizes(axes) for axes in _alternatives(fields["shape"])),
        dtypes=FLOATS if dtype == "float" else (dtype,),
        optional="optional" in fields and fields["optional"].boolean(),
        sample=_sample(fields["sample"]) if "sample" in fields else ("normal",),
        decay="decay" in fields and fields["decay"].boolean(),
    )


def _arrays(value, names, constants=()):
    """Outputs, saved or workspace arrays: each has one shape, and as dtype a dtype, an input or a constant."""
    arrays, known = [], (*DTYPES, *sorted(names.arrays), *constants)
    for name, child in _named(value).items():
        fields = child.fields(("shape", "dtype"))
        dtype, shape = fields["dtype"].text(), names.sizes(fields["shape"].items())
        if dtype not in known:
            what = f"a dtype or an input{' or a constant' if constants else ''}"
            raise fields["dtype"].error(f"expected {what}, one of {', '.join(known)}, but got {dtype!r}")
        kind = {"dtypes": (dtype,)} if dtype in DTYPES else {"like": dtype}
        arrays.append(Array(name=name, shapes=(shape,), **kind))
    return tuple(arrays)


def _sample(value):
    if not value.is_mapping() and value.text() == "normal":
        return ("normal",)
    bounds = value.fields(("uniform",))["uniform"].items()
    if len(bounds) != 2:
        raise value.error("expected normal or {uniform: [low, high]}")
    return ("uniform", *(bound.number() for bound in bounds))


def _options(value):
    options = []
    for name, child in _named(value).items():
        fields = child.fields(("type", "default"), ("note",))
        default = fields["default"]
        readers = {"float": default.number, "int": default.integer, "bool": default.boolean}
        kind = fields["type"].text()
        if kind not in readers:
            raise fields["type"].error(f"expected one of {', '.join(readers)} but got {kind!r}")
        options.append(Option(name, kind, readers[kind](), fields["note"].text() if "note" in fields else ""))
    return tuple(options)


def _requires(value, names):
    """Conditions on a call, each with the sentence to say where it does not hold."""
    return tuple((names.expression(child, text), child.text()) for text, child in value.fields().items())


def _transition(value, spec):
    """The input whose product over time multiplies the state. Its dims are time and, in the same order, some of the
    state's."""
    gate = next((array for array in spec.inputs if array.name == value.name()), None)
    state = next((array for array in spec.outputs if array.name == STATE), None)
    if gate is None or state is None or not gate.differentiable:
        raise value.error(f"expected a float input of an op with a {STATE} but got {value.text()!r}")
    wanted = [axis.text for axis in state.shapes[0]]
    for axes in gate.shapes:
        dims = [axis.text for axis in axes]
        if TIME not in dims or [dim for dim in wanted if dim in dims] != [dim for dim in dims if dim != TIME]:
            raise value.error(
                f"expected {gate.name} to have the dim {TIME} and some of {STATE}'s, {', '.join(wanted)}, in this "
                f"order but it has {', '.join(dims)}"
            )
    return gate.name


def _bounds(value, spec, names):
    """The `Bound`s of an op, by the dtypes, outputs and gradients that they are given for."""
    results = [array.name for array in spec.outputs] + [f"grad_{a.name}" for a in spec.inputs if a.differentiable]
    bounds = []
    for result, child in value.fields((), (*FLOATS, *results)).items():
        fields = child.fields(("bound", "reason"), ("when",))
        when = names.expression(fields["when"]) if "when" in fields else None
        bounds.append(Bound(result, fields["bound"].number(), fields["reason"].text(), when))
    return tuple(bounds)


def _examples(value, dims):
    """Sizes to test the op at: mappings of every dim but B and L."""
    free = tuple(sorted(dims - {BATCH, TIME}))
    return tuple({n: size.integer() for n, size in child.fields(free).items()} for child in value.items())


def _variant(fields, spec, names, base, around):
    """The variant that `fields` describes, with the rest from `base`."""
    constants = dict(base.constants)
    known = {*names.numbers, *constants}
    made = {"when": names.expression(fields["when"])} if "when" in fields else {}
    for name, child in (_named(fields["constants"]) if "constants" in fields else {}).items():
        if name in names.numbers or name in names.arrays:
            raise child.error(f"{name!r} is a dim, an input or an option already")
        constants[name] = Names(known, names.arrays).expression(child)
        known.add(name)
    names = names.plus(constants)
    for key in {"saved", "workspace"} & fields.keys():
        made[key] = _arrays(fields[key], names, constants)
        for array in made[key]:
            if array.name in {a.name for a in (*spec.inputs, *spec.outputs)}:
                raise fields[key].error(f"{array.name!r} is an input or output already")
    variant = replace(base, constants=tuple(constants.items()), **made)
    place = around(infer.dtypes(spec, variant))
    passes = {
        key: tuple(steps.ways(item, names, place) for item in fields[key].items()) for key in PASSES if key in fields
    }
    return replace(variant, **passes)
