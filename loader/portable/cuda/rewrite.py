"""Rewrites the parts of Metal's language that no header can declare in CUDA. Every line keeps its number."""

import re

from ..text import SHARED, blank, edit

# Headers that ours stand for.
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"](?:metal_\w+|simd/\w+\.h|mlx/backend/metal/[\w/]+\.h)[>"]', re.M)
# A number with a point or an exponent, and its suffix.
_DECIMAL = r"(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+"
_NUMBER = re.compile(rf"(?<![\w.])({_DECIMAL}|0[xX][\da-fA-F]*\.?[\da-fA-F]*[pP][-+]?\d+)(f|F|h|H|bf|BF)?(?![\w.])")
_UNROLL = re.compile(r"#[ \t]*pragma[ \t]+clang[ \t]+loop[ \t]+unroll\((?:full|enable)\)")
_LETTERS = "xyzwrgba"
_SWIZZLE = re.compile(r"\.\s*([xyzw]{2,4}|[rgba]{2,4})\b")
_CHAIN = re.compile(r"(?:\.(?:[xyzw]{2,4}|[rgba]{2,4}))+\.(?:[xyzw]{1,4}|[rgba]{1,4})\b")


def rewrite(source):
    """Metal source, the body of a kernel or what stands above it, in the words that our headers understand."""
    quiet = blank(source)
    edits = [(m.start(1), m.end(2) if m[2] else m.end(1), _number(*m.groups())) for m in _NUMBER.finditer(quiet)]
    word = len("threadgroup")
    edits += [(m.start(), m.start() + word, "__shared__ __align__(16)") for m in SHARED.finditer(quiet)]
    edits += [(m.start(), m.end(), "#pragma unroll") for m in _UNROLL.finditer(quiet)]
    edits += [(m.start(), m.end(), _composed(m[0])) for m in _CHAIN.finditer(quiet)]
    return _INCLUDE.sub("", edit(source, edits))


def swizzles(source):
    """The macro that declares every swizzle in the source: M(xy, 0, 1) and so on."""
    names = sorted(set(_SWIZZLE.findall(rewrite(blank(source)))))
    members = (f"M({name}, {', '.join(str(_LETTERS.index(c) % 4) for c in name)})" for name in names)
    return f"#define MSL_SWIZZLES(M) {' '.join(members)}"


def _number(digits, suffix):
    """In Metal a number without a suffix is a float."""
    kind = {"h": "half", "bf": "bfloat"}.get((suffix or "").lower())
    return f"metal::{kind}({digits}f)" if kind else f"{digits}f"


def _composed(chain):
    """The swizzle of a swizzle, as one: our swizzles have no elements with names."""
    elements = "xyzw"
    for letters in chain[1:].split("."):
        elements = "".join(elements[i : i + 1] for i in (_LETTERS.index(c) % 4 for c in letters))
    return f".{elements}"
