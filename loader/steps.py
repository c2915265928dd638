"""The steps of a pass, read from the manifest: the alternatives of each, its kernel's file, and the flow of arrays."""

import itertools
import math
import os
import re
from dataclasses import replace
from pathlib import PurePath
from typing import NamedTuple

from . import infer
from .errors import ManifestError, suggest
from .expression import Expression
from .spec import INITIAL, MOST_RESIDENT, MOST_THREADS, PASSES, STATE, KernelStep, OpSpec, SumStep

# Characters that a #line mark may not hold.
_UNQUOTED = re.compile(r'["\\\n]')
# The most conditions on steps of one variant: each doubles the number of variants.
_CONDITIONS = 4
_KERNELS = re.compile(r"(\S+) if (.+) else (\S+)")


class Around(NamedTuple):
    """The surroundings of a step: the op, its manifest's kernel files by name, the value of the op's `grid` or None,
    the names that conditions may mention, and the dtypes of the op's arrays."""

    spec: OpSpec
    kernels: object
    grid: object
    conditions: object
    types: dict


def ways(value, names, around):
    """(condition or None, step) of each alternative of a step: the first whose condition holds is done."""
    if not value.is_list() and (kernels := _KERNELS.fullmatch(_kernel(value))):
        return _two_kernels(value, kernels, names, around)
    items = value.items() if value.is_list() else [value]
    conditions = [f["when"] if "when" in (f := item.fields()) else None for item in items]
    if None in conditions[:-1]:
        raise value.error("only the last of several steps may have no `when`")
    whens = [None if condition is None else around.conditions.expression(condition) for condition in conditions]
    return tuple((when, _step(item, names, around)) for when, item in zip(whens, items))


def _kernel(value):
    """The text of a step's `kernel`, or ""."""
    fields = value.fields()
    return fields["kernel"].text() if "kernel" in fields else ""


def _two_kernels(value, kernels, names, around):
    """The alternatives of a step with `kernel: one if condition else another`."""
    if "when" in value.fields():
        raise value.error("expected `when`, or a condition under `kernel`, but got both")
    first, condition, second = kernels.groups()
    when = around.conditions.expression(value.fields()["kernel"], condition)
    return (when, _step(value, names, around, first)), (None, _step(value, names, around, second))


def choices(value, variant, spec, failed=()):
    """The variants that result from one if each condition of its steps is true or false. In them the condition of the
    variant itself is true, and those of the variants before it, the texts `failed`, are false."""
    conditions, made = {}, []
    for step in itertools.chain(*variant.passes):
        conditions |= {when.text: when for when, _ in step if when is not None}
    settled = dict.fromkeys(failed, False) | ({variant.when.text: True} if variant.when else {})
    unsettled = [text for text in conditions if text not in settled]
    if len(unsettled) > _CONDITIONS:
        raise value.error(f"expected at most {_CONDITIONS} conditions of steps but got {len(unsettled)}")
    for truths in itertools.product((True, False), repeat=len(unsettled)):
        true = [text for text, holds in zip(unsettled, truths) if holds]
        holding = [*true, *(text for text, holds in settled.items() if holds)]
        whens = [when for when in (variant.when, *map(conditions.get, true)) if when is not None]
        text = " and ".join(f"({when.text})" if len(whens) > 1 else when.text for when in whens)
        choice = _with_saved(
            replace(
                variant,
                when=Expression(text, whens[-1].where) if whens else None,
                **{name: _chosen(steps, holding) for name, steps in zip(PASSES, variant.passes)},
            )
        )
        _check_passes(value, choice, spec)
        made.append(choice)
    return made


def _chosen(steps, holding):
    """The first alternative of each step whose condition is among those `holding`, if any."""
    ways = [[step for when, step in ways if when is None or when.text in holding] for ways in steps]
    return tuple(way[0] for way in ways if way)


def _with_saved(variant):
    """The variant with its workspace split: arrays that forward makes and backward only reads are saved, and arrays
    that no step makes are left out."""
    made, again, *alone = ({name for step in steps for name in step.makes} for steps in variant.passes)
    read = {name for step in variant.backward for name in step.reads}
    kept = (made & read) - again
    return replace(
        variant,
        saved=(*variant.saved, *(array for array in variant.workspace if array.name in kept)),
        workspace=tuple(array for array in variant.workspace if array.name in made.union(again, *alone) - kept),
    )


def _check_passes(value, variant, spec):
    """Refuse passes that read an array before it is made, or do not make an output or a gradient."""
    inputs, outputs, saved = ({a.name for a in group} for group in (spec.inputs, spec.outputs, variant.saved))
    inputs |= {option.name for option in spec.options if option.kind == "float"}
    _check_flow(value, variant.forward, variant, inputs, outputs | saved)
    if variant.backward:
        given = inputs | outputs | saved | {f"grad_{name}" for name in outputs}
        _check_flow(
            value, variant.backward, variant, given, {f"grad_{a.name}" for a in spec.inputs if a.differentiable}
        )
        _check_alone(value, variant.adjoint, variant, given, f"grad_{INITIAL}")
    _check_alone(value, variant.state, variant, inputs, STATE)


def _check_alone(value, steps, variant, given, due):
    if steps:
        # What is saved comes from the whole forward pass, not from this one.
        _check_flow(value, steps, replace(variant, workspace=(*variant.workspace, *variant.saved)), given, {due})


def _check_flow(value, steps, variant, given, due):
    """Check that every array is declared, made once, before it is read, and that every array in `due` is made."""
    have, may = set(given), due | {array.name for array in variant.workspace}
    for step in steps:
        for name in step.reads:
            if name not in have:
                way_out = suggest(name, have) + _way_out(step, name)
                raise step.where.error(f"reads {name!r}, which is neither given nor made before.{way_out}")
        for name in step.makes:
            if name in have:
                raise step.where.error(f"makes {name!r}, which is there already")
            if name not in may:
                known = ", ".join(sorted(may))
                raise step.where.error(f"makes {name!r}, which is not declared; known are {known}.{suggest(name, may)}")
            have.add(name)
    for name in sorted(due - have):
        raise (steps[-1].where if steps else value).error(f"no step makes {name!r}")


def _way_out(step, name):
    """The advice for a parameter that the step matched to an array by its name."""
    is_named = isinstance(step, KernelStep) and (name, name) in step.inputs
    return f" Where a parameter and its array differ in name, inputs: {{{name}: ...}} says so." if is_named else ""


def _step(value, names, around, kernel=None):
    """The step that a value describes; `kernel`, if given, replaces the one that it names."""
    spec = around.spec
    if "sum" in value.fields():
        fields = value.fields(("sum", "axis", "into"), ("when",))
        return SumStep(fields["sum"].name(), fields["axis"].integer(), fields["into"].name(), value)
    fields = value.fields(("kernel",), ("grid", "inputs", "outputs", "template", "when"))
    kernel = kernel or fields["kernel"].text()
    if PurePath(kernel).is_absolute() or ".." in PurePath(kernel).parts or _UNQUOTED.search(kernel):
        raise fields["kernel"].error(f"expected a file below shaders/, without its .metal, but got {kernel!r}")
    if not os.path.exists(spec.root / "shaders" / f"{kernel}.metal"):
        raise fields["kernel"].error(f"there is no file shaders/{kernel}.metal")
    if "grid" not in fields and around.grid is None:
        raise value.error("the key 'grid' is missing, here and in the op")
    grid = fields.get("grid", around.grid).fields(("groups", "threads"), ("resident",))
    groups, threads = names.triple(grid["groups"]), names.triple(grid["threads"])
    counts = [names.fixed(size) for size in threads]
    if None not in counts and math.prod(counts) > MOST_THREADS:
        raise grid["threads"].error(f"expected at most {MOST_THREADS} threads but got {math.prod(counts)}")
    read = _read(kernel, around, {"inputs", "outputs"} <= fields.keys())
    arrays = {key: infer.pairs(fields.get(key), key[:-1], getattr(read, key, None)) for key in ("inputs", "outputs")}
    template = fields["template"].named() if "template" in fields else {}
    template = {name: names.expression(child) for name, child in template.items()}
    if read:
        template = infer.template(read, template, dict(sum(arrays.values(), ())), around.types, names, value)
    return KernelStep(
        kernel=kernel,
        **arrays,
        template=tuple(template.items()),
        source=read,
        groups=groups,
        threads=threads,
        resident=_resident(grid),
        where=value,
    )


def _read(kernel, around, is_said):
    """The kernel's file. If it cannot be read and the step `is_said` in full, None: the error is then reported with the
    file's others."""
    try:
        return around.kernels(kernel)
    except ManifestError:
        if is_said:
            return None
        raise


def _resident(grid):
    """The number of threads that a core should hold at once; 1 is no bound."""
    resident = grid["resident"].integer() if "resident" in grid else 1
    if not 1 <= resident <= MOST_RESIDENT:
        raise grid["resident"].error(f"expected 1 to {MOST_RESIDENT} resident threads but got {resident}")
    return resident
