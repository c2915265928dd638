"""Editing Metal source by position, for the engines that rewrite what no header can teach their compiler."""

import re

# Comments, strings and characters, those that are never closed included: so no search starts twice at one place.
QUIET = re.compile(r"//[^\n]*|/\*(?:.*?\*/|.*)|\"[^\"\\\n]*(?:\\.[^\"\\\n]*)*\"?|'(?:\\.|[^'\\\n]){1,8}'", re.DOTALL)
# MLX makes the text that Apple's compiler gets of ASCII: any other character leaves no text at all.
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# The declaration of threadgroup variables, but not of pointers and references to threadgroup memory.
SHARED = re.compile(r"\bthreadgroup\s+((?![\s;{}=*&()])(?:[^;{}=*&()\[\]]|\[[^\]]{0,999}\]){1,999});")


def spaces(match: re.Match) -> str:
    """What matched as spaces, each line of it as long as it was."""
    return "\n".join(" " * len(line) for line in match[0].split("\n"))


def blank(source: str, also: re.Pattern | None = None) -> str:
    """The source with comments and strings as spaces, so that positions stay and braces in them do not count."""
    for pattern in (QUIET, also):
        if pattern:
            source = pattern.sub(spaces, source)
    return source


def foreign(source: str) -> re.Match | None:
    """The first character outside of comments that is not ASCII."""
    code = QUIET.sub(lambda match: match[0] if match[0][0] in "\"'" else spaces(match), source)
    return NOT_ASCII.search(code)


def edit(source: str, edits: list[tuple[int, int, str]]) -> str:
    """The source with each (start, end) replaced; an edit inside another's range must only insert."""
    for start, end, text in sorted(edits, key=lambda e: e[0], reverse=True):
        source = source[:start] + text + source[end:]
    return source
