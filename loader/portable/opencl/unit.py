"""The OpenCL translation unit of a kernel: MLX's signature around the body, and Metal's thread ids."""

import math
import re
from functools import cache as once

from .. import LIBRARY
from ..signature import TYPES, attributes, constant, sizes_read
from .compiler import LISTED, WHOLE
from .rewrite import of_several_elements, pragmas, rewrite

_VECTOR = "const uint3 {name} = (uint3)((uint)({x}), (uint)({y}), (uint)({z}));"
# In what order validation runs the simdgroups of a threadgroup, `n` of them, and the threadgroups of a grid:
# `_order` is an index into this.
ORDERS = ("given", "simdgroups reversed", "simdgroups rotated", "threadgroups reversed")
_ORDERED_SIMDGROUP = "(_order == 1 ? {n} - 1 - {i} : _order == 2 ? ({i} + {n} / 2) % {n} : {i})"
_ORDERED_GROUP = "(_order == 3 ? (int)(get_num_groups({i}) - 1 - get_group_id({i})) : (int)get_group_id({i}))"
_WORD = re.compile(r"\w+")
_CALL = re.compile(r"\bmetal::(\w+)\(")
_LINE = re.compile(r"^MSL_\w+\((\w+).*(?:\n .*)*", re.MULTILINE)


def write(kernel, arguments, output_dtypes, template, threads, validating=False, traced=None):
    """The unit for one set of argument types.

    `threads` is the threadgroup's shape where every group is whole and made of whole simdgroups, else
    None: then groups are linear and their shape comes at run time. A unit for validation runs in the order
    that its dispatch names, and counts barriers into one more argument; with `traced`, a header and a body that log
    their accesses, into one more still.
    """
    parameters, bindings = [], []
    for name, argument in zip(kernel.input_names, arguments):
        space = "constant" if argument.small else "device"
        _pointer(parameters, bindings, f"{space} const", TYPES[argument.dtype], name, argument.scalar)
        if not argument.scalar:
            _sizes(parameters, bindings, name, sizes_read(kernel.source, name))
    for name, dtype in zip(kernel.output_names, output_dtypes):
        element = f"atomic<{TYPES[dtype]}>" if kernel.atomic_outputs else TYPES[dtype]
        _pointer(parameters, bindings, "device", element, name, False)
    if validating:
        parameters.append("volatile __global uint2* _arrivals")
        bindings.append("metal::arrivals = _arrivals + _dispatch.first.w;")
    if traced is not None:
        parameters.append("volatile __global uint* _trace")
        bindings.append("msl::trace = _trace;")
    parameters.append("const _Dispatch _dispatch")
    bindings += [constant(name, value) for name, value in template]
    bindings += _ids(threads, validating)
    bindings += attributes(kernel.source, _VECTOR, "const uint {name} = (uint)({value});")
    header, body = (kernel.header, kernel.source) if traced is None else traced
    rules, body = pragmas(body)
    text = "\n".join(
        [
            WHOLE if threads else "",
            "#include <metal_stdlib>",
            "#include <trace.h>" if traced is not None else "#include <arrivals.h>" if validating else "",
            "struct _Dispatch { int4 first, threads, nominal, grid; };",
            '#line 1 "header"',
            rewrite(header, converts=of_several_elements(header + body)),
            *rules,
            f"__kernel __attribute__((intel_reqd_sub_group_size(32))) void k({', '.join(parameters)}) {{",
            *bindings,
            f'#line 1 "{kernel.name}"',
            rewrite(body, kernel.header),
            "}",
        ]
    )
    return f"{elementwise(text)}\n{text}"


def elementwise(text):
    """A line that declares the elementwise functions which the unit or a header names, and the functions that those
    call: the compiler needs 0.1 s to parse all of them. A unit that pastes names together declares all."""
    if "##" in text:
        return ""
    names, before = _by_headers().union(_WORD.findall(text)), None
    while names != before:
        before = names
        # max3 of floats is in the list of the integer functions.
        names = names.union(*(words for name, _, words in _list("elementwise") + _list("integer") if name in names))
    return " ".join([LISTED, *(line for name, line, _ in _list("elementwise") if name in names)])


@once
def _by_headers():
    """The functions that headers call."""
    return set(_CALL.findall("".join(path.read_text() for path in LIBRARY.iterdir())))


@once
def _list(header):
    """(function, line, words of the line) for each function of a list of the library."""
    lines = _LINE.finditer((LIBRARY / f"{header}.h").read_text())
    return [(line[1], " ".join(line[0].split()), set(_WORD.findall(line[0]))) for line in lines]


def _pointer(parameters, bindings, space, element, name, reference):
    """A buffer. OpenCL takes no pointer to bool and no reference, so both come as something else."""
    passed = {"bool": "uchar", "complex64_t": "float"}.get(element, element)
    if passed == element and not reference:
        parameters.append(f"{space} {element}* {name}")
        return
    parameters.append(f"{space} {passed}* _{name}")
    pointer = f"({space} {element}*)_{name}"
    kind, value = ("&", f"*{pointer}") if reference else ("*", pointer)
    bindings.append(f"{space} {element}{kind} {name} = {value};")


def _sizes(parameters, bindings, name, sizes):
    for size in sizes:
        if size == "ndim":
            _pointer(parameters, bindings, "constant const", "int", f"{name}_ndim", True)
        else:
            element = "int" if size == "shape" else "long"
            _pointer(parameters, bindings, "constant const", element, f"{name}_{size}", False)


def _ids(threads, validating):
    """Ids from an OpenCL group whose dimension 0 runs along the simdgroup: only there do sub-groups form."""
    lines = ["__builtin_assume(get_local_id(0) < 0x10000);", "__builtin_assume(get_local_id(1) < 0x10000);"]
    lines += ["const int _order = _dispatch.threads.w;"] if validating else []
    group, placed = (_ORDERED_GROUP, _ORDERED_SIMDGROUP) if validating else ("(int)get_group_id({i})", "{i}")
    lines += [f"const int _g{a} = {group.format(i=i)} + _dispatch.first.{a};" for i, a in enumerate("xyz")]
    lines += [f"const int _size{a} = _dispatch.grid.{a};" for a in "xyz"]
    if threads is None:
        values = {
            f"_{k}{a}": f"_dispatch.{name}.{a}" for k, name in (("n", "nominal"), ("t", "threads")) for a in "xyz"
        }
        values["_lane"] = "(int)get_local_id(0) % 32"
        values |= {"_whole": "_tx * _ty * _tz / 32", "_place": "(int)get_local_id(0) / 32"}
        # The last simdgroup may be a partial one: it stays where it is.
        values["_simdgroup"] = f"_place < _whole ? {placed.format(i='_place', n='_whole')} : _place"
        local = ("_index % _tx", "_index / _tx % _ty", "_index / (_tx * _ty)")
    else:
        values = {f"_{kind}{a}": size for kind in "nt" for a, size in zip("xyz", threads)}
        values["_lane"] = "(int)get_local_id(0)"
        values["_simdgroup"] = placed.format(i="(int)get_local_id(1)", n=math.prod(threads) // 32)
        local = _local_ids(*threads)
    values |= {"_index": "_simdgroup * 32 + _lane", **dict(zip(("_lx", "_ly", "_lz"), local))}
    return lines + [f"const int {name} = {value};" for name, value in values.items()]


def _local_ids(x, y, z):
    """The thread's place in a group of whole simdgroups: linear in the lane wherever it can be."""
    if y == z == 1 and x != 32:
        return "_index", "0", "0"
    if x % 32 == 0:
        row = f"_simdgroup / {x // 32}"
        return f"_simdgroup % {x // 32} * 32 + _lane", f"{row} % {y}", f"{row} / {y}"
    return f"_index % {x}", f"_index / {x} % {y}", f"_index / {x * y}"
