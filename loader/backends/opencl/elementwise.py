"""Which functions of the library's list of elementwise functions a unit declares: the compiler would take longer to
parse them all than for most kernels."""

import re
from functools import cache as once

from ...portable import LIBRARY

_WORD = re.compile(r"\w+")
_LINE = re.compile(r"^MSL_\w+\((\w+).*(?:\n .*)*", re.MULTILINE)


def declared(text: str) -> str:
    """The lines of the functions that the text names, and of the functions in those lines, as the macro that the dialect
    reads in place of the list. All of the list stays where the text may make names, by pasting."""
    if "##" in text:
        return ""
    names, before = set(_WORD.findall(text)), None
    while names != before:
        before = names
        # max3 of integers is that of floats too, so both lists tell what is made of what.
        names = names.union(*(words for name, _, words in _lines("elementwise") + _lines("integer") if name in names))
    return " ".join(["#define MSL_ELEMENTWISE", *(line for name, line, _ in _lines("elementwise") if name in names)])


@once
def _lines(header):
    """(function, line, words of the line) for each function of a list."""
    lines = _LINE.finditer((LIBRARY / f"{header}.h").read_text())
    return [(line[1], " ".join(line[0].split()), set(_WORD.findall(line[0]))) for line in lines]
