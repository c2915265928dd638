"""The text of a file without what its `#ifdef`s leave out, as far as names alone tell."""

import re
from functools import cache

from .options import CLANG, DIALECT, LIBRARY

_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(ifdef|ifndef|if|elif|else|endif|define)\b[ \t]*(.*)$")
_DEFINED = re.compile(r"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?\s*\Z")


def active(text, defined):
    """The lines that a compiler reads which knows the macros `defined`, and those that a condition of numbers hides."""
    return "\n".join(line for line, is_active in _lines(text, defined) if is_active)


def metal(text):
    """The text with spaces in place of the lines that compilers of other languages read."""
    if "__" not in text:
        return text
    lines = _lines(text, predefined() | _OF_METAL, _OF_COMPILERS)
    return "\n".join(line if is_active or _DIRECTIVE.match(line) else " " * len(line) for line, is_active in lines)


@cache
def predefined():
    """The macros that the library's headers define."""
    headers = [path for folder in (DIALECT, CLANG, LIBRARY) for path in folder.glob("*.h")]
    return frozenset(name for path in headers for name in _DEFINE.findall(path.read_text()))


_DEFINE = re.compile(r"^#define (\w+)", re.MULTILINE)
_OF_METAL = frozenset(("__METAL__", "__METAL_VERSION__", "__cplusplus"))
# What tells compilers apart; of an author's own macros a file does not say which a build defines.
_OF_COMPILERS = re.compile(r"__(METAL__|METAL_VERSION__|METAL_MACOS__|METAL_IOS__|OBJC__|cplusplus|CUDACC__)$")


def _lines(text, defined, names=None):
    """(line, whether a compiler reads it) of a text; of conditions on other macros than `names` all branches."""
    defined, stack = set(defined), []
    for line in text.split("\n"):
        match = _DIRECTIVE.match(line)
        word, rest = match.groups() if match else ("", "")
        if word.startswith("if"):
            stack.append(_holds(word, rest, defined, names))
        elif word == "elif" and stack:
            # After a branch that holds no other does; after one that does not, this one may.
            stack[-1] = False if stack[-1] else _holds("if", rest, defined, names)
        elif word == "else" and stack:
            stack[-1] = None if stack[-1] is None else not stack[-1]
        elif word == "endif" and stack:
            stack.pop()
        elif word and False not in stack:
            defined.add(re.match(r"\w*", rest)[0])
        yield line, word in ("", "define") and False not in stack


def _holds(word, condition, defined, names):
    """Whether a condition holds: True, False, or None where names alone do not tell."""
    condition = re.sub(r"/[/*].*", "", condition).strip()
    match = _DEFINED.match(condition)
    if word in ("ifdef", "ifndef"):
        name, is_wanted = condition, word == "ifdef"
    elif match:
        name, is_wanted = match[2], not match[1]
    else:
        return {"0": False, "1": True}.get(condition)
    return (name in defined) == is_wanted if names is None or names.match(name) else None
