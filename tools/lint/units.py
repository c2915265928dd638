"""What ships: the translation unit MLX writes for a kernel and hands to Apple's compiler, for every manifest entry."""

import itertools
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx

from loader import source as kernel_source
from loader.errors import LoaderError
from loader.expression import DTYPES, Scope
from loader.manifest import load
from loader.op import Op
from loader.portable import metal
from loader.spec import PASSES, KernelStep

from . import contract
from .finding import Finding
from .refusal import refusal
from .source import Source

__all__ = ["load", "of"]

# Sizes of the batch, of time and of the other dims: inputs of a few, of 16, and of many elements.
_SIZES = ((1, 1, 4), (1, 4, 4), (2, 64, None))
_NAMES = {mx.float32: "float", mx.float16: "half", mx.bfloat16: "bfloat", mx.int32: "int", mx.bool_: "bool"}


def of(specs, manifest, wanted=None):
    """({kernel file: template-ids}, units as Sources, findings) of a manifest's ops.

    The template-ids are those that real calls lead to, so that the author's file is checked for them.
    `wanted` are the kernel files to look at, by default all.
    """
    instances, units, found = {}, {}, set()
    for spec in specs.values():
        files = {(spec.root / "shaders" / f"{step.kernel}.metal").resolve() for step in spec.steps}
        if wanted is not None and not files & wanted:
            continue
        try:
            op = Op(spec, metal)
            for inputs in filter(_takes(op), _calls(op)):
                _collect(op, inputs, instances, units, found, manifest)
            _add_elsewhere(spec, instances)
        except LoaderError as error:
            found.add(refusal(error, manifest))
        except ArithmeticError as error:
            line = spec.steps[0].where.line
            found.add(Finding(manifest.name, line, 1, "manifest", f"[{spec.name}] an expression fails: {error}"))
    if wanted is not None:
        instances = {path: ids for path, ids in instances.items() if path in wanted}
    return instances, [u for u in units.values() if wanted is None or u.path in wanted], found


def _takes(op):
    """Whether an op accepts inputs: its conditions refuse some of the sizes tried here."""

    def takes(inputs):
        try:
            op.plan(inputs, _options(op))
        except LoaderError:
            raise
        except (ValueError, TypeError):
            return False
        return True

    return takes


def _collect(op, inputs, instances, units, found, manifest):
    plan = op.plan(inputs, _options(op))
    stored = _export(op, inputs)
    for step, launch in _launched(_variant(op, inputs), plan):
        path, kernel, template_id = _instance(op, step, launch)
        instances.setdefault(path, {})[template_id] = None
        found |= set(contract.grid(launch, step, op.spec, manifest))
        for text in _units(stored, kernel):
            text = _relative(text, op.spec.root)
            key = re.sub(r"custom_kernel_\w+", "", text) + str(template_id)
            units.setdefault(key, Source(path, text, is_unit=True))


def _instance(op, step, launch):
    """(kernel file, kernel, template-id) of a launch."""
    path = (op.spec.root / "shaders" / f"{step.kernel}.metal").resolve()
    kernel = kernel_source.read(path, op.spec.root.resolve())
    values = dict(launch.arguments["template"])
    arguments = ", ".join(_argument(values[p.name]) for p in kernel.template)
    return path, kernel, f"{kernel.name}<{arguments}>" if kernel.template else None


def _add_elsewhere(spec, instances):
    """Add those of kernels that nothing leads to on Apple GPUs, only calls on NVIDIA GPUs in the dtypes of models."""
    op = Op(spec, SimpleNamespace(**{**vars(metal), "NAME": "cuda"}))
    optional = [array.name for array in spec.optional]
    known = set(instances)
    for dims, present in itertools.product(spec.examples, (optional, [])):
        inputs = _zeros(op, dict(B=2, L=64, **dims), present, "bfloat16")
        if _takes(op)(inputs):
            plan = op.plan(inputs, _options(op))
            for step, launch in _launched(_variant(op, inputs), plan):
                path, _, template_id = _instance(op, step, launch)
                if path not in known:
                    instances.setdefault(path, {})[template_id] = None


def _variant(op, inputs):
    return [v for v in op.spec.variants if v.when is None or v.when(_scope(op, inputs))][0]


def _launched(variant, plan):
    """(step, launch) of every kernel of a variant."""
    for name, steps in zip(PASSES, variant.passes):
        kernels = [step for step in steps if isinstance(step, KernelStep)]
        yield from zip(kernels, plan.kernels(name))


def _calls(op):
    """Inputs, as shapes of zeros, that cover dtypes, sizes and optional inputs without every mix of them."""
    optional = [array.name for array in op.spec.optional]
    examples = op.spec.examples or ({},)
    many = [dict(B=_SIZES[-1][0], L=_SIZES[-1][1], **example) for example in examples]
    few = [dict(B=b, L=t, **{name: d for name in examples[0]}) for b, t, d in _SIZES[:-1]]
    for dtype in ("float32", "bfloat16", "float16"):
        yield _zeros(op, many[-1], optional, dtype)
    for dims, present in itertools.product([*few, many[0]], (optional, [])):
        yield _zeros(op, dims, present, "float32")
    for dims in many[1:-1]:
        yield _zeros(op, dims, optional, "float32")
    for rank in range(1, max(len(array.shapes) for array in op.spec.inputs)):
        yield _zeros(op, many[-1], optional, "float32", rank)


def _zeros(op, dims, present, dtype, rank=0):
    """`rank` chooses among the shapes of inputs that have several."""
    scope = Scope(dims, {}, {})
    inputs = {}
    for array in op.spec.inputs:
        if not array.optional or array.name in present:
            kind = dtype if dtype in array.dtypes else array.dtypes[0]
            inputs[array.name] = mx.zeros(
                [axis(scope) for axis in array.shapes[min(rank, len(array.shapes) - 1)]], DTYPES[kind]
            )
    return inputs


def _options(op):
    return tuple(option.default for option in op.spec.options)


def _scope(op, inputs):
    """The sizes of a call by name, for the conditions of variants."""
    shapes = {name: x.shape for name, x in inputs.items()}
    dims = {}
    for array in op.spec.inputs:
        axes = next((a for a in array.shapes if len(a) == len(shapes.get(array.name, ()))), ())
        for axis, size in zip(axes, shapes.get(array.name, ())):
            if axis.text.isidentifier():
                dims.setdefault(axis.text, size)
    dims |= {option.name: option.default for option in op.spec.options}
    dtypes = {a.name: inputs[a.name].dtype if a.name in inputs else DTYPES[a.dtypes[0]] for a in op.spec.inputs}
    return Scope(dims, shapes, dtypes, op.engine.NAME)


def _argument(value):
    if isinstance(value, bool):
        return str(value).lower()
    return _NAMES.get(value, str(value)) if not isinstance(value, int) else str(value)


def _export(op, inputs):
    """What mx.export_function stores of both passes; the kernels' text is in it as it is."""
    names = list(inputs)

    def both(*arrays):
        given = dict(zip(names, arrays)) | op._scalars(_options(op))
        results = op.run_forward(dict(zip(names, arrays)), _options(op))
        plan = op.plan(dict(zip(names, arrays)), _options(op))
        given.update((array.name, x) for array, x in zip(plan.results, results))
        given.update((f"grad_{a.name}", mx.zeros_like(x)) for a, x in zip(op.spec.outputs, results))
        for launch in plan.backward:
            launch.run(given)
        return [*results, *(x for name, x in given.items() if name.startswith("grad_"))]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.mlxfn"
        mx.export_function(str(path), both, *inputs.values())
        return path.read_bytes().decode("latin-1")


def _units(stored, kernel):
    """The units of one kernel in what was stored."""
    for match in re.finditer(rf"\[\[kernel\]\] void custom_kernel_{kernel.unique_name}", stored):
        start = stored.rindex(f'#line 1 "{kernel.file}"', 0, match.start())
        host = stored.find("[[host_name(", match.start())
        if kernel.template:
            end = stored.index(";", host) + 1
        else:
            end = stored.rindex("}", match.start(), stored.index("\x00", match.start())) + 1
        yield stored[start:end] + "\n"


def _relative(text, root):
    """`#line` marks with the files' names as findings write them."""
    names = {
        name: Source(kernel_source.locate(name, root)).name
        for name in re.findall(r'^#line \d+ "([^"]+)"$', text, re.MULTILINE)
    }
    return re.sub(r'^(#line \d+ )"([^"]+)"$', lambda m: f'{m[1]}"{names[m[2]]}"', text, flags=re.MULTILINE)
