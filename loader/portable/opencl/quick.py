"""The quick build of a unit: compiled several times faster, it runs at about half the speed of the optimised one.

LOADER_BUILD chooses: `auto`, the default, runs the quick build until the optimised one is compiled in the background;
`quick` stays with it; `optimised` waits.
"""

import os
import re

from ...errors import BackendError
from . import compiler

MODES = ("auto", "quick", "optimised")
# Without the passes that take long and change no result.
LLVM_OPTIONS = (
    f"{compiler.LLVM_OPTIONS} -opt-bisect-verbose=0 -disable-lsr "
    "-opt-disable=gvn,machine-scheduler,post-RA-sched,licm,dse,machine-sink,"
    "early-machinelicm,machinelicm,stack-slot-coloring,jump-threading,block-placement,x86-avoid-sfb,x86-split-block,"
    "machine-cp,break-false-deps,x86-execution-domain-fix,mldst-motion,correlated-propagation,constraint-elimination,"
    "aggressive-instcombine,vector-combine"
)
_UNROLLED = re.compile(
    r"^([ \t]*)#pragma (?:unroll|clang loop unroll\(full\))[^\n]*(\n[ \t]*for \([^\n]*)", re.MULTILINE
)
# A loop over two elements, and the most lines that its body has where it stays unrolled: so vectors are indexed by
# constants.
_OF_TWO = re.compile(r"\n[^\n]*< 2;[^\n]*\{\n")
_SHORT = 6
# A 16-bit number that is loaded under a condition takes a branch a lane: with every loop unrolled `gla/states` takes
# 185 s to compile, and runs ten times as long as the quick build.
_NARROW = re.compile(r"\bvoid k\([^)]*\bconst (?:bfloat|half)\b")
# With fewer unrolled loops a unit compiles in a second or two.
_FEW = 10


def mode():
    """What LOADER_BUILD says. Raises BackendError for an unknown mode."""
    chosen = os.environ.get("LOADER_BUILD") or MODES[0]
    if chosen not in MODES:
        raise BackendError(f"[loader] expected LOADER_BUILD to be one of {', '.join(MODES)} but got {chosen!r}.")
    return chosen


def pays(unit):
    """Whether optimising the unit takes long enough for two builds."""
    return len(_UNROLLED.findall(unit)) >= _FEW


def is_replaced(unit):
    """Whether the optimised build of a unit takes the place of the quick one."""
    return mode() == "auto" and not _NARROW.search(unit)


def rewrite(unit):
    """The unit with its loops left as loops, but for short ones over two elements."""
    return "#define MSL_QUICK 1\n" + _UNROLLED.sub(_rolled, unit)


def _rolled(match):
    indent, loop = match.groups()
    of_two = _OF_TWO.match(match.string, match.start(2))
    if of_two and _lines_to_the_end(match.string, of_two.end()) <= _SHORT:
        return match[0]
    return f"{indent}#pragma clang loop unroll(disable){loop}"


def _lines_to_the_end(text, start):
    """How many lines lie between `start`, behind an opening brace, and the closing one, as far as that counts."""
    depth, lines = 1, 0
    for i in range(start, len(text)):
        depth += (text[i] == "{") - (text[i] == "}")
        lines += text[i] == "\n"
        if depth == 0 or lines > _SHORT:
            break
    return lines
