"""A Metal file and the helpers it includes, as lint reads them: text, tokens, functions and clang's version."""

import bisect
import os
import re
import stat
from collections import Counter
from functools import cache, cached_property
from pathlib import Path

from . import branches, kernels
from .finding import Lines
from .options import DEFAULT, DIALECT, HELPERS, LIBRARY
from .prepass import Prepass, declared_types
from .tokens import tokenize

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
_LINE = re.compile(r'^#line (\d+) "([^"]+)"$', re.MULTILINE)
_INSTANCE = re.compile(r"^[ \t]*template\b(?!\s*<)([^;{}]*);", re.MULTILINE)
_TEMPLATE_ID = re.compile(r"(?:\w+::)*\w+\s*\Z")
_DEFAULTS = {"typename": ("float", "half", "bfloat"), "bool": ("true", "false", "true")}
_DEFAULT_INTEGER = "32"
# The headers that are of functions alone.
_OF_FUNCTIONS = ("elementwise", "math", "integer", "relational", "geometric", "pack", "simd")
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
    """One file. `name` is what findings call it; `is_unit` says that MLX wrote it, without the includes; `options`
    say where its includes are. Raises Unreadable."""

    def __init__(self, path, text=None, is_unit=None, options=DEFAULT):
        self.path, self.options = Path(path).resolve(), options
        self.name = display(self.path)
        self.text = _read(self.path) if text is None else text
        self.is_unit = "custom_kernel_" in self.text if is_unit is None else is_unit

    @cached_property
    def lines(self):
        return Lines(self.text)

    @cached_property
    def tokens(self):
        return tokenize(branches.metal(self.text))

    @cached_property
    def functions(self):
        return kernels.functions(self.tokens)

    @cached_property
    def spans(self):
        """(first line, last line, name) of each function."""
        ends = [[self.tokens[i].start for i in function.body] for function in self.functions]
        lines = [[self.lines.at(offset)[0] for offset in pair] for pair in ends]
        return [(*pair, function.name.text) for pair, function in zip(lines, self.functions)]

    def function_at(self, cursor):
        """The function, as tokens tell it, that clang's cursor is of, or None: a macro may have written it."""
        line, name = cursor.location.line, cursor.spelling
        return next((f for f in self.functions if f.name.text == name and self._line(f) == line), None)

    def _line(self, function):
        return self.lines.at(function.name.start)[0]

    @cached_property
    def prepass(self):
        # Looked for first: what is a type in one of them is a type in all.
        files = (self, *self.includes.values())
        if not hasattr(self, "_renamed"):
            self._renamed = frozenset().union(*(declared_types(s.tokens) for s in files)) & _library_functions()
            for source in files:
                source._renamed = self._renamed
        return Prepass(self.text, self._renamed)

    @cached_property
    def includes(self):
        """The files that this one includes by a relative path, from the folders of -I or as <loader/...>, and theirs,
        by the path that clang finds them at."""
        found, waiting = {}, [(self.path, self)]
        while waiting:
            at, source = waiting.pop()
            for match in _INCLUDE.finditer(branches.metal(source.text)):
                folders = [at.parent, *self.options.include] if match[1] == '"' else [*self.options.include]
                folders += [HELPERS] if match[2].startswith("loader/") else []
                paths = [Path(os.path.normpath(folder / match[2])) for folder in folders]
                path = next(filter(os.path.exists, paths), None)
                if path and path not in (self.path, *found):
                    found[path] = Source(path, is_unit=False)
                    waiting.append((path, found[path]))
        return found

    @cached_property
    def rows(self):
        """The lines of the text."""
        return self.text.split("\n")

    @cached_property
    def _marks(self):
        """(line, the line it gives the next, file) of each `#line`."""
        return [(self.lines.at(m.start())[0], int(m[1]), m[2]) for m in _LINE.finditer(self.text)]

    def place(self, line):
        """The file and line that `#line` gives a line of this text."""
        at = bisect.bisect_left(self._marks, (line,)) - 1
        if at < 0:
            return self.name, line
        mark, first, file = self._marks[at]
        return file, first + line - mark - 1

    def instances(self):
        """(template-ids of the kernels, in how many a fault must show): from the file, or else of likely arguments.

        The number is 0 where nothing is guessed. A kernel that the file names once more is instantiated in some other
        way, by a macro for one.
        """
        written = list(filter(None, (_instance(match[1]) for match in _INSTANCE.finditer(self.prepass.text))))
        guessed, needed = [], []
        for function in self.functions:
            if function.is_kernel and function.template and self._is_named_once(function):
                rows = _arguments(function)
                guessed += [f"{function.name.text}<{arguments}>" for arguments in rows]
                needed.append(len(rows) if _are_dtypes(function) else len(rows) + 1)
        return written + guessed, max(needed, default=0)

    def _is_named_once(self, function):
        return self._words[function.name.text] == 1

    @cached_property
    def _words(self):
        return Counter(re.findall(r"\w+", self.text))


def _are_dtypes(function):
    """Whether each typename of a kernel is what some pointer points to, and no vector by its name."""
    pointers = [p for p in function.parameters if any(token.text == "*" for token in p.type)]
    names = [name for kind, name in kernels.constants(function) if kind == "typename"]
    return all(any(name in p.words for p in pointers) and not name[-1:].isdigit() for name in names)


def _instance(declaration):
    """The template-id that an explicit instantiation ends in, before its parameters if it has any."""
    text = " ".join(declaration.split())
    if text.endswith(")"):
        text = text[: _opening(text, "()")].rstrip()
    start = _opening(text, "<>") if text.endswith(">") else None
    name = _TEMPLATE_ID.search(text[:start]) if start else None
    return text[name.start() :] if name else None


def _opening(text, pair):
    """The index of the bracket that the last character closes."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += (text[i] == pair[1]) - (text[i] == pair[0])
        if depth == 0:
            return i
    return 0


@cache
def _library_functions():
    """The functions of the library that take any type: words before a bracket, and what the macros declare."""
    names = set()
    for folder in (DIALECT, LIBRARY):
        for path in (folder / f"{name}.h" for name in _OF_FUNCTIONS):
            text = path.read_text() if path.exists() else ""
            names |= set(re.findall(r"\b([a-z]\w*)\(", text)) | set(re.findall(r"MSL_\w+, (\w+)\)", text))
            names |= {f"{who}_{name}" for name in re.findall(r"prefix##_(\w+)", text) for who in ("simd", "quad")}
            names |= set(re.findall(r"^MSL_\w+\((\w+)[,)]", text, re.MULTILINE))
    return frozenset(names)


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
