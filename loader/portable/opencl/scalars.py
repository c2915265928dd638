"""Scalars of threadgroup memory as arrays of one element, so that `trace` can log what becomes of them."""

import re

from ..text import blank, edit

_TYPES = "bool|u?char|u?short|u?int|u?long|unsigned|float|half|bfloat|size_t|u?int(?:8|16|32|64)_t"
_DECLARED = re.compile(rf"\bthreadgroup\s+(?:{_TYPES})\s+(\w+(?:\s*,\s*\w+)*)\s*;")
_BEFORE_USE = {"return", "else", "do", "case"}
# How far before a name its type begins.
_NEAR = 80


def as_arrays(source):
    """(the source with each `threadgroup T x;` as `x[1]` and each x as `x[0]`, the names), but for names that are
    declared once more."""
    text, edits, found = blank(source), [], []
    for declaration in _DECLARED.finditer(text):
        for name in re.findall(r"\w+", declaration[1]):
            own = re.compile(rf"(?<![\w.:])(?<!->){name}\b")
            places = [match.start() for match in own.finditer(text)]
            uses = [at for at in places if not declaration.start() <= at < declaration.end()]
            if not any(_is_declared(text, at) for at in uses):
                edits += [(at + len(name), at + len(name), "[0]" if at in uses else "[1]") for at in places]
                found.append(name)
    return edit(source, edits), found


def _is_declared(text, at):
    """Whether the name at an offset follows a type."""
    before = text[max(0, at - _NEAR) : at]
    word = re.search(r"(\w+)\s+\Z", before)
    return bool(word and word[1] not in _BEFORE_USE or re.search(rf"\b(?:{_TYPES}|auto)\s*[&*]\s*\Z", before))
