"""Editing Metal source by position, for the engines that rewrite what no header can teach their compiler."""

import re

_QUIET = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
# The declaration of threadgroup variables, but not of pointers and references to threadgroup memory.
SHARED = re.compile(r"\bthreadgroup\s+((?:[^;{}=*&()\[\]]|\[[^\]]*\])+);")


def blank(source: str, also: re.Pattern | None = None) -> str:
    """The source with comments and strings as spaces, so that positions stay and braces in them do not count."""
    for pattern in (_QUIET, also):
        if pattern:
            source = pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), source)
    return source


def edit(source: str, edits: list[tuple[int, int, str]]) -> str:
    """The source with each (start, end) replaced; an edit inside another's range must only insert."""
    for start, end, text in sorted(edits, key=lambda e: e[0], reverse=True):
        source = source[:start] + text + source[end:]
    return source
