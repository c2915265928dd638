"""A Metal file and the helpers it includes, as lint reads them: text, tokens, functions and clang's version."""

import bisect
import os
import re
import stat
from functools import cached_property
from pathlib import Path

from . import kernels
from .finding import Lines
from .prepass import Prepass
from .tokens import tokenize

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
_LINE = re.compile(r'^#line (\d+) "([^"]+)"$', re.MULTILINE)
_INSTANCE = re.compile(r"^\s*template\b[^;<]*?\b(?:decltype\s*\(\s*|void\s+)((?:\w+::)*\w+\s*<[^;()]*>)", re.MULTILINE)
_DEFAULTS = {"typename": ("float", "half", "bfloat"), "bool": ("true", "false", "true")}
_DEFAULT_INTEGER = "32"
# No file of kernels that anybody wrote is larger.
_MOST_BYTES = 2_000_000


class Unreadable(Exception):
    """A file cannot be checked, and why."""


def obstacle(path):
    """Why a file cannot be read, or nothing."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.strerror
    if not stat.S_ISREG(status.st_mode):
        return "expected a regular file"
    if status.st_size > _MOST_BYTES:
        return f"expected at most {_MOST_BYTES:,} bytes but got {status.st_size:,}"
    return "" if os.access(path, os.R_OK) else "Permission denied"


class Source:
    """One file. `name` is what findings call it; `is_unit` says that MLX wrote it, without the includes.
    Raises Unreadable."""

    def __init__(self, path, text=None, is_unit=None):
        self.path = Path(path).resolve()
        self.name = display(self.path)
        self.text = _read(self.path) if text is None else text
        self.is_unit = "custom_kernel_" in self.text if is_unit is None else is_unit

    @cached_property
    def lines(self):
        return Lines(self.text)

    @cached_property
    def tokens(self):
        return tokenize(self.text)

    @cached_property
    def functions(self):
        return kernels.functions(self.tokens)

    @cached_property
    def prepass(self):
        return Prepass(self.text)

    @cached_property
    def includes(self):
        """The files that this one includes by a relative path, and theirs, by their resolved path."""
        found, waiting = {}, [self]
        while waiting:
            source = waiting.pop()
            for match in _INCLUDE.finditer(source.text):
                path = Path(os.path.normpath(source.path.parent / match[1]))
                if os.path.exists(path) and path not in (self.path, *found):
                    found[path] = Source(path, is_unit=False)
                    waiting.append(found[path])
        return found

    @cached_property
    def rows(self):
        """The lines of the text."""
        return self.text.split("\n")

    @cached_property
    def _marks(self):
        """(line, the line it gives the next, file) of each `#line`."""
        return [(self.lines.at(m.start())[0], int(m[1]), m[2]) for m in _LINE.finditer(self.text)]

    def includes_metal(self):
        return any(re.search(r"#\s*include\s*<metal_", s.text) for s in (self, *self.includes.values()))

    def place(self, line):
        """The file and line that `#line` gives a line of this text."""
        at = bisect.bisect_left(self._marks, (line,)) - 1
        if at < 0:
            return self.name, line
        mark, first, file = self._marks[at]
        return file, first + line - mark - 1

    def instances(self):
        """(template-ids of the kernels, whether they are guessed): from the file, or else of likely arguments."""
        written = [" ".join(match[1].split()) for match in _INSTANCE.finditer(self.prepass.text)]
        names = {instance.split("<")[0].strip() for instance in written}
        guessed = [
            f"{function.name.text}<{arguments}>"
            for function in self.functions
            if function.is_kernel and function.template and function.name.text not in names
            for arguments in _arguments(function)
        ]
        return written + guessed, bool(guessed)


def _arguments(function):
    """Likely template arguments: each float type in turn, 32 for sizes, both bools."""
    constants = kernels.constants(function)
    rows = []
    for i in range(3):
        rows.append(", ".join(_DEFAULTS.get(kind, (_DEFAULT_INTEGER,) * 3)[i] for kind, _ in constants))
    return list(dict.fromkeys(rows))


def _read(path):
    reason = obstacle(path)
    if reason:
        raise Unreadable(f"{display(path)}: {reason}")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def display(path):
    """A path as the user would write it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
