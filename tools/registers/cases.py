"""The launches that are counted: every kernel of an op, in each dtype, at each size of heads."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import mlx.core as mx

from loader import manifest
from loader.errors import LoaderError
from loader.expression import DTYPES, Scope
from loader.op import Op
from loader.plan import Launch
from loader.portable import cuda

DTYPES_COUNTED = ("float32", "bfloat16")
HEADS = (64, 128)
# The dims of a head, which take the sizes above, and those that a kernel's registers do not follow.
_HEAD_DIMS = ("Dh", "Dk", "Dv")
_DIMS = {"B": 2, "D": 64, "H": 4, "Hk": 2, "G": 1}
_OTHER = 64
# States of a channel: few of them, and as many as matrices are for.
_STATES = (16, 128)
# A few steps and many: ops have kernels of their own for either.
_LENGTHS = (4, 512)
# Values that an integer option is tried at.
_CHOICES = range(8)
# Plans as on Metal, kernels that can be compiled as CUDA.
_ENGINE = SimpleNamespace(
    NAME="metal",
    LAZY=True,
    missing=lambda: None,
    ready=lambda arrays: True,
    build=cuda.build,
    prepare=cuda.prepare,
)


class Case(NamedTuple):
    """A launch of the op's step `file`, shaders/<op>/<file>.metal, with inputs of one dtype and heads of one size,
    None where the op has none."""

    op: str
    file: str
    dtype: str
    head: int | None
    launch: Launch


class NoSuchKernel(ValueError):
    """Neither an op nor a kernel file of a manifest. The message says what there is."""


def of(names, path):
    """The cases of ops or kernel files, by default of all ops of the manifest at `path`.

    Raises NoSuchKernel, and ManifestError where a manifest is wrong.
    """
    specs, cases = manifest.load(path), []
    if not names:
        return [case for spec in specs.values() for case in _op(spec)]
    for name in names:
        if name in specs:
            cases += _op(specs[name])
        elif Path(name).suffix == ".metal":
            cases += _file(Path(name).resolve())
        else:
            raise NoSuchKernel(f"there is no op {name!r}; expected a .metal file or one of {', '.join(specs)}.")
    return cases


def _file(path):
    """The cases of a kernel file, of all ops of the manifest above it that use it."""
    root = next((folder for folder in path.parents if (folder / "manifest.yaml").is_file()), None)
    specs = manifest.load(root / "manifest.yaml").values() if root else ()
    found = [case for spec in specs for case in _op(spec) if root / "shaders" / f"{case.file}.metal" == path]
    if not found:
        raise NoSuchKernel(f"{path} is a kernel of no manifest; expected one of a manifest.yaml in a folder above it.")
    return found


def _op(spec):
    """One case for each kernel, dtype, size of heads and set of constants."""
    op, cases = Op(spec, _ENGINE), {}
    dims = {axis.text for a in spec.inputs for axes in a.shapes for axis in axes if axis.text.isidentifier()}
    heads = HEADS if dims & {*_HEAD_DIMS} else (None,)
    states = _STATES if "N" in dims and heads != (None,) else _STATES[:1]
    for dtype, head, N, length, ranks in itertools.product(DTYPES_COUNTED, heads, states, _LENGTHS, _ranks(spec)):
        sizes = {**dict.fromkeys(dims, _OTHER), **_DIMS, **dict.fromkeys(_HEAD_DIMS, head), "N": N, "L": length}
        inputs = {array.name: _zeros(array, sizes, dtype, ranks) for array in spec.inputs}
        for options in _options(spec):
            for launch in _launches(op, inputs, options):
                given = tuple((len(shape), kind) for shape, kind in launch.given)
                arguments = launch.arguments
                key = (launch.kernel.name, dtype, head, given, *map(str, arguments["template"]))
                cases.setdefault(key, Case(spec.name, launch.file, dtype, head, launch))
    return list(cases.values())


def _ranks(spec):
    """Every input at its first shape, then each in turn at another of its shapes."""
    return [{}] + [{a.name: i} for a in spec.inputs for i in range(1, len(a.shapes))]


def _zeros(array, sizes, dtype, ranks):
    kind = dtype if dtype in array.dtypes else array.dtypes[0]
    return mx.zeros([axis(Scope(sizes, {}, {})) for axis in array.shapes[ranks.get(array.name, 0)]], DTYPES[kind])


def _options(spec):
    """The options of a call: of the integers every one that is tried, of the others the default."""
    return itertools.product(*[_CHOICES if o.kind == "int" else (o.default,) for o in spec.options])


def _launches(op, inputs, options):
    """The kernels of both passes; none where the op refuses the options."""
    try:
        plan = op.plan(inputs, options)
    except LoaderError:
        raise
    except ValueError:
        return []
    return [step for step in (*plan.forward, *plan.backward) if isinstance(step, Launch)]
