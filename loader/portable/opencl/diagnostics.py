"""The compiler's log, shortened to its errors, each with its line and caret."""

import re

_ERROR = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?P<column>\d+): (?:fatal )?error: ")
_SHOWN = 5


def shorten(log):
    """The first errors of a compiler's log, each with the source line and caret below it, then its notes."""
    blocks, current = [], None
    for line in log.splitlines():
        if _ERROR.match(line):
            current = [line]
            blocks.append(current)
        elif current is not None and re.match(r"\s*(\d+)?\s*\|", line):
            current.append(line)
        else:
            current = None
    if not blocks:
        return log
    shown = ["\n".join(block) for block in blocks[:_SHOWN]]
    rest = len(blocks) - _SHOWN
    return "\n".join(shown + ([f"and {rest} more errors"] if rest > 0 else []))
