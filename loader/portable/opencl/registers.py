"""Whether a kernel's arrays leave room for as many threads as it is launched with."""

import re
from math import prod

from ..text import blank

_ARRAY = re.compile(
    r"(?<!threadgroup )(?<!constant )\b(float|int|uint|half|bfloat|T)([234]?)\s+(\w+)((?:\s*\[[^\]]+\])+)\s*[;={]"
)
_EXTENT = re.compile(r"\[\s*([^\]]+?)\s*\]")
# Apple's GPUs have 128 registers of 32 bits a thread at most; with as many values at hand, the pipeline allows 512.
_MOST_VALUES, _FEW_THREADS = 96, 512


def findings(source, template, threads):
    """A sentence where the private arrays of a body alone take more registers than so many threads have.

    Extents are known where they are numbers or template arguments; what the compiler keeps beside arrays is not.
    """
    if threads <= _FEW_THREADS:
        return []
    constants = {name: value for name, value in template if isinstance(value, int)}
    values = 0
    for kind, width, _, extents in _ARRAY.findall(blank(source)):
        sizes = [_number(extent, constants) for extent in _EXTENT.findall(extents)]
        values += 0 if None in sizes else prod(sizes) * int(width or 1) // (2 if kind in ("half", "bfloat") else 1)
    if values < _MOST_VALUES:
        return []
    return [
        f"launches {threads} threads a group, each with {values} values in arrays: Apple's pipeline allows at most "
        f"{_FEW_THREADS} such threads, and raises at eval; launch fewer, or hold fewer values"
    ]


def _number(extent, constants):
    return int(extent) if extent.isdigit() else constants.get(extent)
