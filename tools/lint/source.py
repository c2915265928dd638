"""A Metal file and the helpers it includes, as lint reads them: text, tokens, functions and clang's version."""

import os
import re
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


class Source:
    """One file. `name` is what findings call it; `is_unit` says that MLX wrote it, without the includes."""

    def __init__(self, path, text=None, is_unit=None):
        self.path = Path(path).resolve()
        self.name = _display(self.path)
        self.text = self.path.read_text(encoding="utf-8", errors="replace") if text is None else text
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
        found = {}
        for match in _INCLUDE.finditer(self.text):
            path = Path(os.path.normpath(self.path.parent / match[1]))
            if path.is_file() and path not in found:
                found[path] = Source(path, is_unit=False)
                found |= found[path].includes
        return found

    def includes_metal(self):
        return any(re.search(r"#\s*include\s*<metal_", s.text) for s in (self, *self.includes.values()))

    def place(self, line):
        """The file and line that `#line` gives a line of this text."""
        marks = [m for m in _LINE.finditer(self.text) if self.lines.at(m.start())[0] < line]
        if not marks:
            return self.name, line
        return marks[-1][2], int(marks[-1][1]) + line - self.lines.at(marks[-1].start())[0] - 1

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


def _display(path):
    """A path as the user would write it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
