"""What clang says of a unit, as findings: without what only its dialect refuses, and what follows from that."""

import re
from collections import Counter
from functools import cached_property

from . import diagnostics, dialect
from .finding import Finding

_WARNING, _ERROR = 2, 3
# Said of a number where the author's argument is a class, a vector or an integer.
_WRONG_GUESS = re.compile(
    r"not a structure or union|prior to '::'|no member|subscripted value|called object|subscript|bfloat' is not"
)
# Rules that a template keeps or breaks by its arguments.
_OF_A_GUESS = ("compile", "unsupported", "undeclared", "type", "vector", "syntax", "return", "call")
_INSTANCE = re.compile(r"in instantiation of (?:member function|function template specialization) '(.*)' requested")
_OF_ONE = re.compile(
    r"too (?:few|many) arguments(?:.*\n)*'(\w+)' declared here|argument to member function '(\w+)' .* not marked const"
)
_ZERO = re.compile(r"[/%]=?\s*0\b")
_STACK = ("in instantiation", "in file included", "expanded from macro")
_ARGUMENTS = re.compile(r"(?<=\w)<[^<>]*>")
# No statement has more lines.
_LONGEST = 12


def findings(unit, source, guesses=0):
    """The diagnostics of a unit, but for those of the dialect and what follows from them. What depends on guessed
    template arguments must show in so many `guesses`, and an assertion of the author's may fail without being wrong."""
    files = _Files(source)
    doubtful = Counter()
    for each in _author_s(_grouped(unit, files), {name for s in files.sources.values() for name in s.prepass.shared}):
        if guesses and (each.rule == "static-assert" or _WRONG_GUESS.search(each.message)):
            continue
        is_doubtful = guesses and each.rule in _OF_A_GUESS and any("in instantiation of" in n for n in each.spoken)
        for finding in each.findings():
            doubtful[finding.file, finding.line, finding.rule] += each.count if is_doubtful else 0
            if not is_doubtful or doubtful[finding.file, finding.line, finding.rule] >= guesses:
                yield finding


def _grouped(unit, files):
    """The diagnostics, those of a template that say the same of several instances as one."""
    found = {}
    for diagnostic in unit.diagnostics:
        if diagnostic.severity >= _WARNING:
            each = _Said(diagnostic, files)
            found.setdefault(each.key, each).count += 1
    return list(found.values())


def _author_s(said, shared):
    """The diagnostics that do not come of the dialect. Clang never calls a function whose body it gave up, so more may
    follow from each that does."""
    gave_up = any(each.is_error for each in said)
    left = [each for each in said if not each.is_dialect(shared) and not (gave_up and each.is_of_dead_code())]
    names, rows, dropped = set(), [], set(said) - set(left)
    while dropped:
        names.update(name for each in dropped if each.is_error for name in each.around())
        rows += [row for each in dropped for row in each.rows()]
        dropped = {each for each in left if each.calls_what_failed(names) or each.follows(rows)}
        left = [each for each in left if each not in dropped]
    return left


class _Files:
    """The author's files and their lines by place, which is (file's name, line, column)."""

    def __init__(self, source):
        self.sources = {str(source.path): source} | {str(path): s for path, s in source.includes.items()}
        self._statements = {}

    @cached_property
    def _functions(self):
        return Counter(name for source in self.sources.values() for *_, name in source.spans)

    def is_overloaded(self, name):
        return self._functions[name] > 1

    def row(self, place):
        """The line at a place, or None where it is in no file of his."""
        rows = self.sources[place[0]].rows if place[0] in self.sources else ()
        return rows[place[1] - 1] if 0 < place[1] <= len(rows) else None

    def statement(self, place):
        """The lines from a place to the end of its statement."""
        if place[:2] not in self._statements:
            rows = self.sources[place[0]].rows[place[1] - 1 :][:_LONGEST] if place[0] in self.sources else []
            end = next((i for i, row in enumerate(rows) if re.search(r"[;{}]", row)), len(rows))
            self._statements[place[:2]] = "\n".join(rows[: end + 1])
        return self._statements[place[:2]]


class _Said:
    """A diagnostic in Metal's words, with the author's lines that it is about."""

    def __init__(self, diagnostic, files):
        self._files, self.count = files, 0
        self.is_error = diagnostic.severity >= _ERROR
        self._spelling, self._option = diagnostic.spelling, diagnostic.option
        notes = list(diagnostic.children)
        self._notes = [note.spelling for note in notes]
        self._own = _place(diagnostic)
        where = [self._own, *map(_place, notes)]
        ours = [i for i, place in enumerate(where) if place[0] in files.sources]
        # Its own place, else who asked for it; and where a value is missing. Not the instances that lint adds.
        more = [i for i in ours[1:] if self._notes[i - 1] == "uninitialized use occurs here"]
        self._places = [where[i] for i in ours[:1] + more if files.row(where[i]) is not None]
        about = [(n, place) for n, place in zip(self._notes, where[1:]) if not n.startswith(_STACK)]
        self._about, self._where = [self._own, *(place for _, place in about)], where
        instance = next(filter(None, map(_INSTANCE.match, self._notes)), None)
        self._instance = _unqualified(instance[1]) if instance else None
        self.key = (self._own, self._spelling, *about, self._instance, *self._places)

    @cached_property
    def message(self):
        return diagnostics.words(self._spelling)

    @cached_property
    def spoken(self):
        return [diagnostics.words(note) for note in self._notes]

    @property
    def rule(self):
        return self._rule[0]

    @cached_property
    def _rule(self):
        return diagnostics.rule(self._option, self.message, self.spoken, self.is_error)

    def is_dialect(self, shared):
        statements = [self._files.statement(place) for place in self._places] or [""]
        is_dialect = any(dialect.is_dialect(self.message, self.spoken, text, shared) for text in statements)
        return is_dialect or dialect.is_of_spaces(self._spelling, self._notes)

    def is_of_dead_code(self):
        """Whether it may be of a branch that a constant leaves out, which clang looks for in units without errors."""
        of_zero = "by zero is undefined" in self.message
        return of_zero and not any(_ZERO.search(self._files.statement(place)) for place in self._places)

    def calls_what_failed(self, names):
        of_one = _OF_ONE.search("\n".join((self.message, *self.spoken))) if names else None
        if of_one and self._files.is_overloaded(of_one[1] or of_one[2]):
            # Of several functions of that name clang sees one.
            return True
        statements = [self._files.statement(place) for place in self._about] if names else []
        return dialect.calls_what_failed(self.message, self.spoken, statements, names)

    def follows(self, rows):
        return dialect.follows(self.message, rows)

    def rows(self):
        """The author's lines that it names."""
        return [row for row in map(self._files.row, self._where) if row]

    def around(self):
        """The name of the function that it is in."""
        if self._instance:
            return [self._instance]
        origin, line = self._files.sources.get(self._own[0]), self._own[1]
        return [name for first, last, name in origin.spans if first <= line <= last] if origin else []

    def findings(self):
        for name, line, column in self._places:
            origin = self._files.sources[name]
            file, at = origin.place(line)
            yield Finding(file, at, origin.prepass.original(line, column), *self._rule)


def _place(told):
    location = told.location
    return location.file.name if location.file else "", location.line, location.column


def _unqualified(name):
    """`load` of `a::B<c::D, 2>::load<E>`."""
    count = 1
    while count:
        name, count = _ARGUMENTS.subn("", name)
    return name.rpartition("::")[-1]
