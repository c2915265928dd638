"""The CUDA translation unit of a kernel, cut as mx.fast.cuda_kernel takes it: all but the call stands in the header.

MLX puts its own headers before ours, and around the call a kernel in its own namespace: there neither its names nor
CUDA's float4 and half disturb the source, which lives in metal::unit and so finds Metal's names first.
"""

import math
import re
from dataclasses import dataclass
from functools import cache

from ...source import inline
from .. import INCLUDE, dialect
from ..signature import TYPES, attributes, constant
from .rewrite import rewrite, swizzles

_VECTOR = "[[maybe_unused]] const uint3 {name} = uint3({x}, {y}, {z});"
# Metal's words, which our headers define and no other may meet.
WORDS = ("device", "constant", "thread", "threadgroup")
# The input that carries the grid's size where groups are cut or lie in a line: CUDA knows only the launch's own.
GRID = "mlxgrid"


@dataclass(frozen=True)
class Unit:
    """What mx.fast.cuda_kernel takes."""

    header: str
    source: str
    input_names: tuple
    output_names: tuple


def write(kernel, arguments, output_dtypes, template, threads, cut, line):
    """The unit for one set of argument types.

    `threads` is the threadgroup's shape; `cut` says that the grid cuts its last groups, and `line` that all groups lie
    along x: either way the grid's size comes as one more input.
    """
    sized = cut or line
    parameters, values = [], []
    for name, argument, sizes in zip(kernel.input_names, arguments, kernel.sizes):
        element = TYPES[argument.dtype]
        passed = f"(const {_qualified(element)}*)mlx_{name}"
        parameters.append(f"const {element}& {name}" if argument.scalar else f"const {element}* __restrict__ {name}")
        values.append(f"*({passed})" if argument.scalar else passed)
        for size in sizes if not argument.scalar else ():
            _size(parameters, values, name, size)
    for name, dtype in zip(kernel.output_names, output_dtypes):
        element = f"atomic<{TYPES[dtype]}>" if kernel.atomic_outputs else TYPES[dtype]
        parameters.append(f"{element}* __restrict__ {name}")
        values.append(f"({_qualified(element)}*)mlx_{name}")
    if sized:
        parameters.append("const int* __restrict__ _size")
        values.append(GRID)
    bindings = [constant(name, value) for name, value in template] + _ids(threads, cut, line)
    bindings += attributes(kernel.source, _VECTOR, "[[maybe_unused]] const uint {name} = {value};")
    size = math.prod(threads)
    bounds = f"{size}, {kernel.resident // size}" if kernel.resident > size else size
    header = "\n".join(
        [
            swizzles(kernel.header + kernel.source),
            headers(),
            "namespace metal::unit {",
            '#line 1 "header"',
            rewrite(kernel.header),
            f"METAL_FUNC void body({', '.join(parameters)}) {{",
            *bindings,
            f'#line 1 "{kernel.name}"',
            rewrite(kernel.source),
            "}",
            "}  // namespace metal::unit",
            *(f"#undef {word}" for word in (*WORDS, "__global__")),
            # MLX writes the signature, but not how many threads run it, nor how many are to be resident.
            f"#define __global__ __attribute__((global)) __launch_bounds__({bounds})",
            "",
        ]
    )
    return Unit(
        header,
        f"metal::unit::body({', '.join(values)});",
        (*(f"mlx_{name}" for name in kernel.input_names), *([GRID] if sized else [])),
        tuple(f"mlx_{name}" for name in kernel.output_names),
    )


@cache
def headers():
    """Metal's library, as one text."""
    path = dialect("cuda") / "metal_stdlib.h"
    return inline(path.read_text(), path, INCLUDE)


def _qualified(element):
    """The name outside of our namespace."""
    return re.sub(r"\b(?!(?:bool|char|short|int|long|float)\b)\w+", r"metal::\g<0>", element)


def _size(parameters, values, name, size):
    if size == "ndim":
        parameters.append(f"const int& {name}_ndim")
        values.append(f"mlx_{name}_ndim")
    else:
        element = "int" if size == "shape" else "int64_t"
        parameters.append(f"const {element}* {name}_{size}")
        values.append(f"(const {_qualified(element)}*)mlx_{name}_{size}.data()")


def _ids(threads, cut, line):
    """The ids that `signature` builds on. A cut group's threads are the first of the block; the others leave."""
    x, y, _ = threads
    values = {f"_n{a}": str(n) for a, n in zip("xyz", threads)}
    if cut or line:
        values |= {f"_size{a}": f"_size[{i}]" for i, a in enumerate("xyz")}
    else:
        values |= {f"_size{a}": f"(int)gridDim.{a} * _n{a}" for a in "xyz"}
    if line:
        values |= {f"_groups{a}": f"(_size{a} - 1) / _n{a} + 1" for a in "xy"}
        values |= {"_gx": "(int)blockIdx.x % _groupsx", "_gy": "(int)blockIdx.x / _groupsx % _groupsy"}
        values["_gz"] = "(int)blockIdx.x / _groupsx / _groupsy"
    else:
        values |= {f"_g{a}": f"(int)blockIdx.{a}" for a in "xyz"}
    linear = f"(int)(threadIdx.x + threadIdx.y * {x} + threadIdx.z * {x * y})"
    if cut:
        left = {a: f"_size{a} - _g{a} * _n{a}" for a in "xyz"}
        values |= {f"_t{a}": f"_n{a} < {n} ? _n{a} : {n}" for a, n in left.items()}
        values |= {"_index": linear, "_lx": "_index % _tx", "_ly": "_index / _tx % _ty", "_lz": "_index / (_tx * _ty)"}
    else:
        values |= {f"_t{a}": f"_n{a}" for a in "xyz"}
        values |= {f"_l{a}": f"(int)threadIdx.{a}" for a in "xyz"} | {"_index": linear}
    values |= {"_lane": "_index % 32", "_simdgroup": "_index / 32"}
    lines = [f"[[maybe_unused]] const int {name} = {value};" for name, value in values.items()]
    return lines + (["if (_index >= _tx * _ty * _tz) return;"] if cut else [])
