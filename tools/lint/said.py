"""What clang says of a unit, as findings: without what only its dialect refuses, and what follows from that."""

import re
from collections import Counter

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
_ARGUMENTS = re.compile(r"(?<=\w)<[^<>]*>")
# No statement has more lines.
_LONGEST = 12


def findings(unit, source, guesses=0):
    """The diagnostics of a unit, but for those of the dialect and what follows from them. What depends on guessed
    template arguments must show in so many `guesses`, and an assertion of the author's may fail without being wrong."""
    files = {str(source.path): source} | {str(path): s for path, s in source.includes.items()}
    said = [_Said(diagnostic, files) for diagnostic in unit.diagnostics if diagnostic.severity >= _WARNING]
    doubtful = Counter()
    for each in _author_s(said, {name for s in files.values() for name in s.prepass.shared}):
        if guesses and (each.rule == "static-assert" or _WRONG_GUESS.search(each.message)):
            continue
        is_doubtful = guesses and each.rule in _OF_A_GUESS and any("in instantiation of" in n for n in each.spoken)
        for finding in each.findings():
            doubtful[finding.file, finding.line, finding.rule] += bool(is_doubtful)
            if not is_doubtful or doubtful[finding.file, finding.line, finding.rule] >= guesses:
                yield finding


def _author_s(said, shared):
    """The diagnostics that do not come of the dialect. Clang never calls a function whose body it gave up, so more may
    follow from each that does."""
    names, rows, left, count = set(), [], said, -1
    while count != len(left):
        count = len(left)
        dropped = [e for e in left if e.is_dialect(shared) or e.calls_what_failed(names) or e.follows(rows)]
        for each in dropped:
            names.update(each.around() if each.is_error else ())
            rows += each.rows()
        gone = set(map(id, dropped))
        left = [each for each in left if id(each) not in gone]
    return left


class _Said:
    """A diagnostic in Metal's words, with the author's lines that it is about."""

    def __init__(self, diagnostic, files):
        self._diagnostic, self._files, self._notes = diagnostic, files, list(diagnostic.children)
        self.is_error = diagnostic.severity >= _ERROR
        self.message = diagnostics.words(diagnostic.spelling)
        self.spoken = [diagnostics.words(note.spelling) for note in self._notes]
        self.rule, self._text = diagnostics.rule(diagnostic.option, self.message, self.spoken, self.is_error)
        ours = [p for p in (diagnostic, *self._notes) if p.location.file and p.location.file.name in files]
        # Its own place, else who asked for it; and where a value is missing. Not the instances that lint adds.
        more = [place for place in ours[1:] if place.spelling == "uninitialized use occurs here"]
        self._places = [place for place in ours[:1] + more if _row(place, files) is not None]

    def is_dialect(self, shared):
        statements = [_statement(place, self._files) for place in self._places] or [""]
        return any(
            dialect.is_dialect(self.message, self.spoken, text, shared) for text in statements
        ) or dialect.is_of_spaces(self._diagnostic.spelling, [note.spelling for note in self._notes])

    def calls_what_failed(self, names):
        about = [n for n in (self._diagnostic, *self._notes) if not n.spelling.startswith("in instantiation")]
        statements = [_statement(place, self._files) for place in about] if names else []
        return dialect.calls_what_failed(self.message, self.spoken, statements, names)

    def follows(self, rows):
        return dialect.follows(self.message, rows)

    def rows(self):
        """The author's lines that it names."""
        return [row for row in (_row(place, self._files) for place in (self._diagnostic, *self._notes)) if row]

    def around(self):
        """The name of the function that it is in."""
        for note in self._notes:
            instance = _INSTANCE.match(note.spelling)
            if instance:
                return [_unqualified(instance[1])]
        location = self._diagnostic.location
        origin = self._files.get(location.file.name) if location.file else None
        return [name for first, last, name in origin.spans if first <= location.line <= last] if origin else []

    def findings(self):
        for place in self._places:
            origin, line = self._files[place.location.file.name], place.location.line
            file, at = origin.place(line)
            yield Finding(file, at, origin.prepass.original(line, place.location.column), self.rule, self._text)


def _unqualified(name):
    """`load` of `a::B<c::D, 2>::load<E>`."""
    count = 1
    while count:
        name, count = _ARGUMENTS.subn("", name)
    return name.rpartition("::")[-1]


def _row(place, files):
    """The author's line at a place, or None where it is in no file of his."""
    origin = files.get(place.location.file.name) if place.location.file else None
    return origin.rows[place.location.line - 1] if origin and 0 < place.location.line <= len(origin.rows) else None


def _statement(place, files):
    """The author's lines from a place to the end of its statement."""
    origin = files.get(place.location.file.name) if place.location.file else None
    rows = origin.rows[place.location.line - 1 : place.location.line + _LONGEST] if origin else []
    end = next((i for i, row in enumerate(rows) if re.search(r"[;{}]", row)), len(rows))
    return "\n".join(rows[: end + 1])
