"""A `.metal` file cut into what mx.fast.metal_kernel takes: header, body, and the signature as written."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import ManifestError

# A string, or a comment; strings are matched so that "//" inside one stays.
_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"[ \t]*$', re.MULTILINE)
_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", re.MULTILINE)
_KERNEL = re.compile(
    r"^(?:template\s*<(?P<template>[^{}]*?)>\s*)?\[\[\s*kernel\s*\]\]\s*void\s+(?P<name>\w+)\s*\(", re.MULTILINE
)
_PARAMETER = re.compile(
    r"(?P<type>.*[\w>*&])\s*?(?<=[\s*&])(?P<name>\w+)\s*(?:\[\[(?P<attribute>[^]]*)\]\])?$", re.DOTALL
)


@dataclass(frozen=True)
class Parameter:
    """One parameter as written: `attribute` is what stands between [[ and ]], if anything."""

    type: str
    name: str
    attribute: str | None = None


@dataclass(frozen=True)
class KernelSource:
    """A kernel file, ready to build: MLX writes its own signature around `body`."""

    name: str
    file: str
    header: str
    body: str
    template: tuple
    parameters: tuple

    @property
    def inputs(self):
        """The names of the input buffers; sizes such as `a_shape` are MLX's own and not among them."""
        names = [p.name for p in self._buffers() if "const" in p.type.split()]
        sizes = {f"{name}_{size}" for name in names for size in ("shape", "strides", "ndim")}
        return tuple(name for name in names if name not in sizes)

    @property
    def outputs(self):
        return tuple(p.name for p in self._buffers() if "const" not in p.type.split())

    @property
    def unique_name(self):
        """The kernel's name with a short hash of its text: engines cache by name."""
        digest = hashlib.sha256((self.header + "\0" + self.body).encode()).hexdigest()
        return f"{self.name}_{digest[:8]}"

    def _buffers(self):
        return [p for p in self.parameters if p.attribute is None]


def read(path, root):
    """Read the one kernel of the file `path`, called by its way from `root` in errors and debuggers.

    Raises ManifestError where the file is not a header followed by one kernel.
    """
    path, root = Path(path), Path(root)
    file = path.relative_to(root).as_posix()
    text = _strip_comments(path.read_text(encoding="utf-8"))
    match = _one_kernel(text, file)
    end_of_parameters = _matching(text, match.end() - 1, "()", file)
    start = text.find("{", end_of_parameters)
    end = _matching(text, start, "{}", file) if start >= 0 else -1
    if start < 0 or text[end_of_parameters + 1 : start].strip():
        raise _error(file, text, end_of_parameters, "expected { after the kernel's parameters")
    if text[end + 1 :].strip():
        raise _error(file, text, end + 1, "the kernel must be the last thing in its file")
    return KernelSource(
        name=match["name"],
        file=file,
        header=inline(text[: match.start()], path, root),
        body=f"\n{_line(text, start, file)}\n{text[start + 1 : end].rstrip()}\n",
        template=tuple(_parameter(p) for p in _split(match["template"] or "")),
        parameters=tuple(_parameter(p) for p in _split(text[match.end() : end_of_parameters])),
    )


def _one_kernel(text, file):
    matches = list(_KERNEL.finditer(text))
    if len(matches) != 1:
        at = matches[1].start() if matches else 0
        raise _error(file, text, at, f"expected one [[kernel]] void function but found {len(matches)}")
    return matches[0]


def _strip_comments(text):
    """Comments become spaces, lines stay where they are: MLX looks for names in them too."""

    def blank(match):
        found = match[0]
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)

    return re.sub(r"[ \t]+$", "", _COMMENT.sub(blank, text), flags=re.MULTILINE)


def inline(text, path, root, seen=None):
    """`text` of the file `path` with every `#include "..."` put in place, each file once, with #line marks to find
    the way back.

    Raises ManifestError where a file is not there.
    """
    path, root = Path(os.path.abspath(path)), Path(os.path.abspath(root))
    seen = {path} if seen is None else seen

    def expand(match):
        target = Path(os.path.normpath(path.parent / match[1]))
        if not target.is_file():
            raise _error(path.relative_to(root).as_posix(), text, match.start(), f"there is no file {match[1]}")
        if target in seen:
            return ""
        seen.add(target)
        included = inline(_header(target.read_text(encoding="utf-8")), target, root, seen)
        return f"{included}\n{_line(text, match.end(), path.relative_to(root).as_posix(), next_line=True)}"

    return f'#line 1 "{path.relative_to(root).as_posix()}"\n{_INCLUDE.sub(expand, text)}'


@cache
def _header(text):
    """A header as it is put in place of its include; many kernels share one."""
    return _ONCE.sub("", _strip_comments(text))


def _line(text, position, file, next_line=False):
    return f'#line {text.count(chr(10), 0, position) + 1 + next_line} "{file}"'


def _matching(text, start, pair, file):
    """The position of the bracket that closes the one at `start`."""
    depth = 0
    for bracket in re.compile(f"[{re.escape(pair)}]").finditer(text, start):
        depth += 1 if bracket[0] == pair[0] else -1
        if depth == 0:
            return bracket.start()
    raise _error(file, text, start, f"this {pair[0]} is never closed")


def _split(text):
    """Split at commas that stand outside any bracket."""
    parts, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "<([{") - (c in ">)]}")
        if c == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    return [part.strip() for part in (*parts, text[last:]) if part.strip()]


def _parameter(text):
    match = _PARAMETER.match(text.split("=")[0].strip())
    if not match:
        return Parameter(text, "")
    return Parameter(" ".join(match["type"].split()), match["name"], match["attribute"])


def _error(file, text, position, message):
    return ManifestError(f"{file}:{text.count(chr(10), 0, position) + 1}: {message}")
