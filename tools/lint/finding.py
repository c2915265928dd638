"""What lint reports, and where in a text a position is."""

import bisect
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """One thing to mend: `rule` is an id of rules.RULES."""

    file: str
    line: int
    column: int
    rule: str
    message: str


class Lines:
    """Line and column, counted from 1, of offsets in a text."""

    def __init__(self, text):
        self._starts = [0]
        for line in text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def at(self, offset):
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


class LintError(Exception):
    """Lint cannot run. The message says what to do about it."""
