"""The text of a file without what its `#ifdef`s leave out, as far as names alone tell."""

import re

_DIRECTIVE = re.compile(r"^[ \t]*#[ \t]*(ifdef|ifndef|if|elif|else|endif|define)\b[ \t]*(.*)$")
_DEFINED = re.compile(r"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?\s*\Z")


def active(text, defined):
    """The lines that a compiler reads which knows the macros `defined`, and those that a condition of numbers hides."""
    defined, kept, stack = set(defined), [], []
    for line in text.split("\n"):
        match = _DIRECTIVE.match(line)
        word, rest = match.groups() if match else ("", "")
        if word.startswith("if"):
            stack.append(_holds(word, rest, defined))
        elif word == "elif" and stack:
            # After a branch that holds no other does; after one that does not, this one may.
            stack[-1] = False if stack[-1] else _holds("if", rest, defined)
        elif word == "else" and stack:
            stack[-1] = None if stack[-1] is None else not stack[-1]
        elif word == "endif" and stack:
            stack.pop()
        elif False not in stack:
            if word == "define":
                defined.add(re.match(r"\w*", rest)[0])
            kept.append(line)
    return "\n".join(kept)


def _holds(word, condition, defined):
    """Whether a condition holds: True, False, or None where names alone do not tell."""
    condition = re.sub(r"/[/*].*", "", condition).strip()
    if word in ("ifdef", "ifndef"):
        return (condition in defined) == (word == "ifdef")
    match = _DEFINED.match(condition)
    if match:
        return (match[2] in defined) == (not match[1])
    return {"0": False, "1": True}.get(condition)
