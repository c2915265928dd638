"""What lint reports, and where in a text a position is."""

import bisect
import re
from dataclasses import dataclass
from typing import NamedTuple

_BRANCH = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to mend: `rule` is an id of rules.RULES."""

    file: str
    line: int
    column: int
    rule: str
    message: str


class Note(NamedTuple):
    """What lint left unchecked of a file, which is no fault of the file's."""

    file: str
    message: str


class Lines:
    """Line and column, counted from 1, of offsets in a text."""

    def __init__(self, text):
        self._text, self._starts = text, [0]
        for line in text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def at(self, offset):
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def exclude(self, start, end):
        """Whether an `#else` or `#elif` stands between two offsets, so that no unit has both."""
        depth = 0
        for match in _BRANCH.finditer(self._text, start, end):
            if match[1].startswith("if"):
                depth += 1
            elif match[1] == "endif":
                depth = max(0, depth - 1)
            elif depth == 0:
                return True
        return False


class LintError(Exception):
    """Lint cannot run. The message says what to do about it."""
