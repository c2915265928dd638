"""Scalars of threadgroup memory as arrays of one element, so that `trace` can log what becomes of them."""

import re

from ..text import blank, edit
from .trace import is_declaration

_TYPES = "bool|u?char|u?short|u?int|u?long|unsigned|float|half|bfloat|size_t|u?int(?:8|16|32|64)_t"
_DECLARED = re.compile(rf"\bthreadgroup\s+(?:{_TYPES})\s+(\w+(?:\s*,\s*\w+)*)\s*;")


def as_arrays(source):
    """(the source with each `threadgroup T x;` as `x[1]` and each x as `x[0]`, the names), but for names that are
    declared once more."""
    text, edits, found = blank(source), [], []
    for declaration in _DECLARED.finditer(text):
        for name in re.findall(r"\w+", declaration[1]):
            own = re.compile(rf"(?<![\w.:])(?<!->){name}\b")
            places = [match.start() for match in own.finditer(text)]
            uses = [at for at in places if not declaration.start() <= at < declaration.end()]
            if not any(is_declaration(text, at) for at in uses):
                edits += [(at + len(name), at + len(name), "[0]" if at in uses else "[1]") for at in places]
                found.append(name)
    return edit(source, edits), found
