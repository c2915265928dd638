"""Rules that tokens are enough for: words Metal lacks, literals, where threadgroup memory is declared."""

import re

from .finding import Finding
from .tokens import FLOAT, closing, closing_angle

_UNSUPPORTED = {
    word: f"Metal has no {what}"
    for word, what in {
        **dict.fromkeys(("goto", "asm", "__asm__", "setjmp", "longjmp", "thread_local", "register"), None),
        **dict.fromkeys(("try", "catch", "throw"), "exceptions"),
        **dict.fromkeys(("new", "delete", "malloc", "free", "alloca"), "heap: no {}"),
        **dict.fromkeys(("virtual", "dynamic_cast", "typeid"), None),
        **dict.fromkeys(("printf", "fprintf", "abort", "exit", "wchar_t", "__int128"), None),
    }.items()
    for what in [(what or "{}").format(word)]
}
# No declaration has more tokens up to its semicolon.
_LONGEST = 200
_WIDE_FLOAT = re.compile(r".*[\d.][lL]$")


def check(file, lines, tokens, functions):
    """Findings in the words of a file."""

    def finding(token, rule, message):
        return Finding(file, *lines.at(token.start), rule, message)

    for i, token in enumerate(tokens):
        member = i and tokens[i - 1].text in (".", "->")
        if token.kind == "number":
            yield from _number(finding, token)
        elif token.kind == "word" and not member:
            yield from _word(finding, tokens, i)
    for function in functions:
        yield from _threadgroup(finding, tokens, function)
    yield from _calls_of_kernels(finding, tokens, functions)


def _number(finding, token):
    if token.text.lower().startswith("0x"):
        return
    if FLOAT.match(token.text):
        yield finding(token, "literal", f"{token.text} has no suffix; write {token.text}f")
    elif "." in token.text and _WIDE_FLOAT.match(token.text):
        yield finding(token, "double", f"{token.text} is a long double; write {token.text[:-1]}f")


def _word(finding, tokens, i):
    token, after = tokens[i], tokens[i + 1].text if i + 1 < len(tokens) else ""
    before = tokens[i - 1].text if i else ""
    if token.text in _UNSUPPORTED and before not in ("operator", "::", "=") and not _is_declared(token, tokens, i):
        yield finding(token, "unsupported", _UNSUPPORTED[token.text])
    elif token.text == "std" and after == "::":
        yield finding(token, "unsupported", "Metal has no C++ standard library; use namespace metal")
    elif token.text == "double":
        yield finding(token, "double", "Metal has no double")


def _is_declared(token, tokens, i):
    """Whether a word that is only a function elsewhere is a name of the author's here."""
    return token.text in ("free", "exit", "abort") and (i + 1 >= len(tokens) or tokens[i + 1].text != "(")


def _calls_of_kernels(finding, tokens, functions):
    """No kernel calls another one."""
    called = {f.name.text for f in functions if f.is_kernel} - {f.name.text for f in functions if not f.is_kernel}
    for function in (function for function in functions if function.is_kernel):
        start, end = function.body
        for before, token, after in zip(tokens[start:end], tokens[start + 1 : end], tokens[start + 2 : end]):
            if token.text in called and after.text == "(" and before.text not in (".", "->"):
                yield finding(token, "unsupported", f"{token.text} is a kernel, which no kernel can call")


def _threadgroup(finding, tokens, function):
    """Threadgroup variables in the wrong place, or with an initial value."""
    depth, (start, end) = 0, function.body
    for i in range(start, end):
        text = tokens[i].text
        depth += (text == "{") - (text == "}")
        if text != "threadgroup" or tokens[i - 1].text not in ("{", "}", ";", ")", "volatile", "]]"):
            continue
        name, value = _variable(tokens, i + 1)
        if name is None:
            continue
        if not function.is_kernel:
            message = f"{name.text} is in {function.name.text}, which is no kernel"
            yield finding(tokens[i], "threadgroup-scope", message)
        elif depth > 1:
            yield finding(
                tokens[i], "threadgroup-top", f"{name.text} is declared inside a block of {function.name.text}"
            )
        if tokens[tokens.index(name) + 2].text == "]":
            yield finding(name, "compile", f"{name.text} is an array without an extent")
        if value:
            yield finding(name, "threadgroup-value", f"{name.text} is given a value where it is declared")


def _variable(tokens, i):
    """The name of the variable declared from `i` on, and whether it has an initial value; (None, False) if none."""
    tokens = tokens[i : i + _LONGEST]
    i = 0
    while i < len(tokens) and (tokens[i].kind == "word" or tokens[i].text in ("::", "<")):
        if tokens[i].text == "<":
            i = closing_angle(tokens, i)
            if i < 0:
                return None, False
        i += 1
    name = tokens[i - 1]
    while i < len(tokens) and tokens[i].text == "[":
        i = closing(tokens, i) + 1
    if i >= len(tokens):
        return None, False
    is_variable = tokens[i].text in (";", ",", "=", "{") and name.kind == "word"
    return (name, tokens[i].text in ("=", "{")) if is_variable else (None, False)
