"""A `.metal` file cut into what mx.fast.metal_kernel takes: header, body, and the signature as written."""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from . import files
from .errors import ManifestError, suggest
from .files import line_of
from .portable.metal import MATH_MODE
from .portable.text import NOT_ASCII, QUIET, spaces

# Each pattern takes time linear in the text: no two repeats in a row may match the same characters.
_INCLUDE = re.compile(
    r'^[ \t]*#[ \t]*include[ \t]*(?:"(?P<beside>[^"\n]+)"|<loader/(?P<ours>[^>\n]+)>)[ \t]*$', re.MULTILINE
)
_ONCE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+once[ \t]*$", re.MULTILINE)
_KERNEL = re.compile(r"\[\[\s*kernel\s*\]\]\s*void\s+(?P<name>\w+)\s*\(")
_TEMPLATE = re.compile(r"^template\s*<(?P<constants>[^{};]*)>\s*\Z", re.MULTILINE)
_PARAMETER = re.compile(r"(?P<type>.*[ *&])(?P<name>\w+)")
_MATH_MODE = re.compile(r"^[ \t]*#[ \t]*pragma[ \t]+METAL[ \t]+fp[ \t]+math_mode\b[ \t(]*(?P<mode>\w*)", re.MULTILINE)
# Kernels of any project include these headers as <loader/...>. A wheel has them in this package, a checkout beside it.
_OURS = "loader/"
_HERE = Path(__file__).resolve().parent
HEADERS = (_HERE if (_HERE / "shaders").is_dir() else _HERE.parent) / "shaders/common"
# The deepest nesting of includes.
_DEPTH = 64


@dataclass(frozen=True)
class Parameter:
    """One parameter as written: `attribute` is what stands between [[ and ]], if anything."""

    type: str
    name: str
    attribute: str | None = None


@dataclass(frozen=True)
class KernelSource:
    """A kernel file, ready to build: MLX writes a new signature around `body`."""

    name: str
    file: str
    header: str
    body: str
    template: tuple
    parameters: tuple

    @property
    def inputs(self):
        """The names of the input buffers, without sizes such as `a_shape`, which MLX adds."""
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


def read(path, root, headers=None):
    """Read the one kernel of the file `path`, called by its path from `root` in errors and debuggers. `headers` keeps
    the headers that are read for the next call.

    Raises ManifestError where the file is not a header followed by one kernel.
    """
    path, root = Path(path), Path(root)
    file = path.relative_to(root).as_posix()
    if not file.isascii():
        raise ManifestError(f"{file}:1: expected a path in ASCII, since the compiler gets it in #line marks")
    text = _strip_comments(files.read(path, file), file)
    start, template, match = _one_kernel(text, file)
    end_of_parameters = _matching(text, match.end() - 1, "()", file)
    body = text.find("{", end_of_parameters)
    end = _matching(text, body, "{}", file) if body >= 0 else -1
    if body < 0 or text[end_of_parameters + 1 : body].strip():
        raise _error(file, text, end_of_parameters, "expected { after the kernel's parameters")
    if text[end + 1 :].strip():
        raise _error(file, text, end + 1, "the kernel must be the last thing in its file")
    return KernelSource(
        name=match["name"],
        file=file,
        header=inline(text[:start], path, root, headers),
        body=f"\n{_line(text, body, file)}\n{text[body + 1 : end].rstrip()}\n",
        template=tuple(map(_parameter, _split(template))),
        parameters=tuple(map(_parameter, _split(text[match.end() : end_of_parameters]))),
    )


def _one_kernel(text, file):
    """(start, template constants, match) of the file's kernel, which starts at the start of a line."""
    matches = list(_KERNEL.finditer(text))
    if len(matches) != 1:
        at = matches[1].start() if matches else 0
        raise _error(file, text, at, f"expected one [[kernel]] void function but found {len(matches)}")
    start, before = matches[0].start(), text[: matches[0].start()].rstrip()
    template = _TEMPLATE.match(before, before.rfind("\ntemplate") + 1)
    if template:
        return template.start(), template["constants"], matches[0]
    if start and text[start - 1] != "\n":
        raise _error(file, text, start, "expected [[kernel]], or its template <...>, at the start of a line")
    return start, "", matches[0]


def _strip_comments(text, file):
    """Replace comments by spaces, since MLX looks for names in them too, and keep line numbers."""

    def blank(match):
        if match[0].startswith("/*") and not match[0].endswith("*/", 2):
            raise _error(file, text, match.start(), "this comment is never closed")
        return match[0] if match[0][0] in "\"'" else spaces(match)

    quiet = QUIET.sub(blank, text)
    _check_code(quiet, file)
    return "\n".join(line.rstrip(" \t") for line in quiet.split("\n"))


def _check_code(text, file):
    """Refuse characters other than ASCII, which MLX does not hand to Apple's compiler, and pragmas that leave math
    mode safe."""
    if found := NOT_ASCII.search(text):
        raise _error(file, text, found.start(), f"expected ASCII outside of comments but got {found[0]!r}")
    for found in _MATH_MODE.finditer(text):
        if found["mode"] != MATH_MODE:
            raise _error(
                file,
                text,
                found.start(),
                f"expected the math mode {MATH_MODE}, in which NaN and infinity hold, but got {found['mode']!r}; "
                "leave the pragma out",
            )


def inline(text, path, root, headers=None):
    """`text` of the file `path` with every `#include "..."` and `#include <loader/...>` replaced by the file, once, and
    #line marks that name the original lines. `headers` keeps what is read for the next call.

    Raises ManifestError if a file does not exist or lies outside of `root`.
    """
    path, root = os.path.abspath(path), os.path.abspath(root)
    file = os.path.relpath(path, root).replace(os.sep, "/")
    seen, headers = {os.path.realpath(path)}, {} if headers is None else headers
    return "".join(_inlined(text, _Place(path, root, "", file), seen, headers))


class _Place(NamedTuple):
    """A file: where it lies, the folder that its includes may not leave, the prefix that stands for that folder in
    #line marks, and its name in them."""

    path: str
    root: str
    prefix: str
    file: str


def _inlined(text, place, seen, headers, depth=0):
    """The parts of a text with its includes replaced."""
    yield f'#line 1 "{place.file}"\n'
    last = 0
    for match in _includes(text):
        yield text[last : match.start()]
        last = match.end()
        target = _target(match, text, place)
        if target.path in seen:
            continue
        if depth == _DEPTH:
            raise _error(place.file, text, match.start(), f"files include each other more than {_DEPTH} deep")
        if target not in headers:
            if not os.path.exists(target.path):
                raise _error(place.file, text, match.start(), f"there is no file {_missing(match)}")
            text_of = _header(files.read(Path(target.path), target.file), target.file)
            headers[target] = os.path.realpath(target.path), text_of
        real, header = headers[target]
        if real not in seen:
            seen.update((target.path, real))
            yield from _inlined(header, target, seen, headers, depth + 1)
            yield f"\n{_line(text, match.end(), place.file, next_line=True)}"
    yield text[last:]


def _target(match, text, place):
    """The place of the file that an #include names."""
    beside, ours = match["beside"], match["ours"]
    root, prefix = (place.root, place.prefix) if beside else (str(HEADERS), _OURS)
    path = os.path.normpath(os.path.join(os.path.dirname(place.path) if beside else root, beside or ours))
    if not path.startswith(root + os.sep):
        what = "the manifest's folder; move it inside" if root == place.root else "loader's headers"
        raise _error(place.file, text, match.start(), f"{beside or ours} lies outside of {what}")
    return _Place(path, root, prefix, prefix + path[len(root) + 1 :].replace(os.sep, "/"))


def _missing(match):
    """The name of a file that is not there, with the nearest of loader's headers."""
    if match["beside"]:
        return match["beside"]
    return f"{_OURS}{match['ours']}.{suggest(match['ours'], [header.name for header in HEADERS.glob('*.h')])}"


@lru_cache(maxsize=256)
def _includes(text):
    """The includes in a text; cached, since many kernels share a header."""
    return tuple(_INCLUDE.finditer(text))


def locate(file, root):
    """The path of a file, from its name in the #line marks of a kernel below `root`."""
    return HEADERS / file.removeprefix(_OURS) if file.startswith(_OURS) else Path(root) / file


@lru_cache(maxsize=256)
def _header(text, file):
    """The text that replaces the include of a header; cached, since many kernels share one."""
    return _ONCE.sub("", _strip_comments(text, file))


def _line(text, position, file, next_line=False):
    return f'#line {line_of(text, position) + next_line} "{file}"'


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
    text, _, attribute = " ".join(text.split("=")[0].split()).partition("[[")
    match = _PARAMETER.fullmatch(text.rstrip())
    if not match:
        return Parameter(text, "")
    return Parameter(match["type"].strip(), match["name"], attribute.partition("]]")[0] or None)


def _error(file, text, position, message):
    return ManifestError(f"{file}:{line_of(text, position)}: {message}")
