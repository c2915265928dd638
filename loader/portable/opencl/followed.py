"""Which threadgroup arrays the log of accesses tells all of: nothing but subscripts reaches them."""

import re
from collections import Counter

from ..text import SHARED, blank

# A parameter that may be a reference to threadgroup memory, in a header and in a body.
_PARAMETERS = re.compile(r"(?:^|[,(])(?![^,;(){}]*\b(?:thread|device|constant)\b)[^,;(){}]*&\s*[A-Za-z_]\w*\s*[,)]")
_LAMBDAS = re.compile(r"\b(?:threadgroup|auto)\b[^,;(){}=]*&")
_DECLARATOR = re.compile(r"(\w+)\s*((?:\[[^\]]*\]\s*)*)(?=,|\Z)")
_MACRO = re.compile(r"#\s*define\b(?:\\\n|[^\n])*")
_WORD = re.compile(r"\w+")


def arrays(header, body, sites):
    """The names of those arrays of a body: none stands without all of its subscripts, and no function takes a reference
    to an element. `sites` are the logged subscripts of the body."""
    text, above = blank(body), blank(header)
    if _PARAMETERS.search(above) or _LAMBDAS.search(text):
        return frozenset()
    extents = [(m[1], m[2].count("[")) for shared in SHARED.finditer(text) for m in _DECLARATOR.finditer(shared[1])]
    declared = Counter(name for name, _ in extents)
    logged = Counter((site.name, site.subscripts) for site in sites)
    mentioned = Counter(_WORD.findall(text))
    in_macros = set(_WORD.findall(" ".join(_MACRO.findall(above))))
    return frozenset(
        name
        for name, count in extents
        if count and declared[name] == 1 and name not in in_macros and mentioned[name] == 1 + logged[name, count]
    )
