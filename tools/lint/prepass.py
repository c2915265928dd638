"""What no header can teach clang of Metal, rewritten in the text. Every line keeps its number."""

import re

from .finding import Lines
from .tokens import closing, closing_angle, tokenize

_BFLOAT = re.compile(r"(.*\d\.?\d*)bf$", re.IGNORECASE)
_SPACES = {"thread", "device", "threadgroup", "constant"}
_BEFORE_STATEMENT = {"{", "}", ";", ")", ":"}


class Prepass:
    """`text` is what clang reads; `original` finds the way back to the author's columns."""

    def __init__(self, source):
        self.shared = set()
        self._edits = []
        tokens, depth = tokenize(source), 0
        for i, token in enumerate(tokens):
            depth += (token.text == "{") - (token.text == "}")
            if token.text == "template" and tokens[i + 1 : i + 2] and tokens[i + 1].text == "[[":
                self._blank_attributes(source, tokens, i + 1)
            elif token.text == "[[" and tokens[i + 1 : i + 2] and tokens[i + 1].text == "threadgroup":
                self._replace(source, token.start, tokens[closing(tokens, i)].end, "")
            elif token.kind == "number" and _BFLOAT.match(token.text) and not token.text.startswith("0x"):
                self._replace(source, token.start, token.end, f"bfloat({_BFLOAT.match(token.text)[1]}f)")
            elif token.text == "vec" and i + 1 < len(tokens) and tokens[i + 1].text == "<":
                self._constructor(source, tokens, i)
            elif token.text == "threadgroup" and depth > 0 and _starts_statement(tokens, i):
                self._shared_variable(source, tokens, i)
        self._edits.sort()
        self.text = self._apply(source)

    def original(self, line, column):
        """The column in the author's text of a column in ours."""
        for start, removed, added in reversed(self._columns.get(line, ())):
            if column > start:
                column = max(start, column - added + removed) if column > start + added else start
        return column

    def _replace(self, source, start, end, text):
        self._edits.append((start, end, text + "\n" * source.count("\n", start, end)))

    def _blank_attributes(self, source, tokens, i):
        while i < len(tokens) and tokens[i].text == "[[":
            end = closing(tokens, i)
            self._replace(source, tokens[i].start, tokens[end].end, "")
            i = end + 1

    def _constructor(self, source, tokens, i):
        """`vec<T, 4>(...)` -> `make_vector<T, 4>(...)`."""
        end = closing_angle(tokens, i + 1)
        operator = any(token.text == "operator" for token in tokens[max(0, i - 3) : i])
        if end > 0 and tokens[end + 1 : end + 2] and tokens[end + 1].text == "(" and not operator:
            self._replace(source, tokens[i].start, tokens[i].end, "make_vector")

    def _shared_variable(self, source, tokens, i):
        """`threadgroup T x[N];` -> a reference of that type: clang has such variables in OpenCL kernels only."""
        type_end = _end_of_type(tokens, i + 1)
        if type_end is None:
            return
        kind = source[tokens[i + 1].start : tokens[type_end - 1].end]
        for name, end, extents in _declarators(source, tokens, type_end):
            self.shared.add(tokens[name].text)
            where = f"(threadgroup {kind} (*){extents})" if extents else f"(threadgroup {kind}*)"
            target = f"(&{tokens[name].text}){extents}" if extents else f"&{tokens[name].text}"
            text = f"{target} = *{where}0".replace("\n", " ")
            self._replace(source, tokens[name].start, tokens[end - 1].end, text)

    def _apply(self, source):
        parts, last, self._columns, lines = [], 0, {}, Lines(source)
        for start, end, text in self._edits:
            if start < last:
                continue
            parts += [source[last:start], text]
            line, column = lines.at(start)
            shifts = self._columns.setdefault(line, [])
            if "\n" not in text:
                shift = sum(added - removed for _, removed, added in shifts)
                shifts.append((column + shift, end - start, len(text)))
            last = end
        return "".join([*parts, source[last:]])


def _starts_statement(tokens, i):
    """Whether a declaration starts at `i`, which is inside some braces."""
    before = tokens[i - 1].text
    return before in _BEFORE_STATEMENT or before in ("volatile", "]]")


def _end_of_type(tokens, i):
    """The index of the name that a declaration's type stands before, or None where this is no variable."""
    while i < len(tokens):
        if tokens[i].text == "<":
            i = closing_angle(tokens, i)
            if i < 0:
                return None
        elif tokens[i].kind != "word" and tokens[i].text != "::":
            return i - 1 if tokens[i].text in ("[", ";", ",", "=") and tokens[i - 1].kind == "word" else None
        i += 1
    return None


def _declarators(source, tokens, i):
    """(index of the name, index after it and its initial value, extents) of each variable."""
    while True:
        name, i = i, i + 1
        while i < len(tokens) and tokens[i].text == "[":
            i = closing(tokens, i) + 1
        extents = source[tokens[name].end : tokens[i - 1].end]
        if i < len(tokens) and tokens[i].text == "=":
            while i < len(tokens) and tokens[i].text not in (",", ";"):
                i = closing(tokens, i) + 1 if tokens[i].text in "([{" else i + 1
        yield name, i, extents
        if i + 1 >= len(tokens) or tokens[i].text != ",":
            return
        i += 1
