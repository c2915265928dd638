"""What no header can teach clang of Metal, rewritten in the text. Every line keeps its number."""

import re

from .finding import Lines
from .tokens import FLOAT, closing, closing_angle, macro_bodies, tokenize

_BFLOAT = re.compile(r"(.*\d\.?\d*)bf$", re.IGNORECASE)
_PARAMETERS = re.compile(r"\btemplate\s*<([^<>]*)>")
_VECTOR = re.compile(r"(float|half|bfloat|u?(char|short|int|long))[234]$")
_NAMES = {"float", "half", "bfloat", "bool", "char", "short", "int", "long", "uchar", "ushort", "uint", "ulong", "void"}
# Nothing: it keeps the header's macros, which make vectors, off a type before a bracket.
_HERE = "MSL_HERE"
_BEFORE_STATEMENT = {"{", "}", ";", ")", ":"}
_SPACES = {"device", "constant", "threadgroup", "thread"}
# What may follow the address space of a member function.
_AFTER_MEMBER = {"{", ":", ";", "=", "const", "noexcept", "->"}
_LIBRARY = {"metal", "fast", "precise", "simd"}
_CONSTANT = {"const", "constexpr"}
_TYPES = {"struct", "class", "enum", "union"}


class Prepass:
    """`text` is what clang reads; `original` finds the way back to the author's columns.

    `renamed` are types of the author's that have the name of a function of the library.
    """

    def __init__(self, source, renamed=frozenset()):
        # The names of threadgroup variables, and of those that have an initial value.
        self.shared, self.valued = set(), set()
        self._source, self._edits, directives = source, [], []
        # The first words of template parameters: their types, or `typename`.
        self._taken = {
            words.split()[0] for found in _PARAMETERS.findall(source) for words in found.split(",") if words.strip()
        }
        tokens = tokenize(source, directives)
        self._rewrite(tokens, "\n")
        for body in macro_bodies(source, directives):
            self._rewrite(body, "\\\n", depth=1)
        self._rename(tokens, renamed)
        self._edits.sort()
        self.text = self._apply(source)

    def _rewrite(self, tokens, newline, depth=0):
        """Collect the edits of a run of tokens; `newline` is what ends a line there."""
        self._newline, spaces = newline, []
        for i, token in enumerate(tokens):
            text, after = token.text, tokens[i + 1].text if i + 1 < len(tokens) else ""
            if text == "{":
                spaces.append(_opens_namespace(tokens, i))
            elif text == "}" and spaces:
                spaces.pop()
            inside = depth or not all(spaces)
            if text == "[[":
                self._separate(tokens, i)
            if text == "template" and after == "[[":
                self._blank_attributes(tokens, i + 1)
            elif text == "[[" and after == "threadgroup":
                self._replace(token.start, tokens[closing(tokens, i)].end, "")
            elif token.kind == "number" and _BFLOAT.match(text) and not text.startswith("0x"):
                self._replace(token.start, token.end, f"bfloat({_BFLOAT.match(text)[1]}f)")
            elif token.kind == "number" and FLOAT.match(text):
                # A literal is a float in Metal, and a double in clang's templates.
                self._replace(token.end, token.end, "f")
            elif (text == "template" and after == "<") or text in ("using", "typedef"):
                self._function_pointers(tokens, i)
            elif text == "&" and tokens[i - 1].text == "<" and {t.text for t in tokens[i + 2 : i + 3]} & {",", ">"}:
                # `f<&g>`: the parameter is a reference, see _function_pointers.
                self._replace(token.start, token.end, "")
            elif after == "(" and _VECTOR.match(text) and _is_type_alone(tokens, i):
                self._replace(token.end, token.end, f" {_HERE} ")
            elif _VECTOR.match(text) and inside:
                self._initialise(tokens, i, i)
            elif text == "vec" and after == "<":
                self._constructor(tokens, i, inside)
            elif text == "thread" and after in _AFTER_MEMBER and _ends_parameters(tokens, i):
                # Temporaries lie in no space for clang, so `thread` members are for all.
                self._replace(token.start, token.end, "")
                self._not_constant(tokens, i)
            elif text == "coherent" and (after in ("(", *_SPACES) or tokens[i - 1].text in _SPACES):
                end = closing(tokens, i + 1) if after == "(" else i
                self._replace(token.start, tokens[end].end, "")
            elif text == "thread" and (_qualifies_other(tokens, i) or _is_value_of(tokens, i)):
                self._replace(token.start, token.end, "")
            elif text == "threadgroup" and inside and _starts_statement(tokens, i):
                self._shared_variable(tokens, i)
                if i + 1 < len(tokens) and "#if" in self._source[token.end : tokens[i + 1].start]:
                    self._shared_variable(tokens, _alternative(tokens, i + 1, Lines(self._source)) - 1)
            elif text == "threadgroup" and inside and _starts_statement(tokens, i - 1) and _is_name(tokens, i + 1):
                self._refer(tokens, i + 1, tokens[i - 1].text)  # float threadgroup x[4];
            elif text == "constant" and inside and tokens[i - 1].text == "static" and after not in _CONSTANT:
                # Of a struct's constants clang initialises those alone.
                self._replace(token.end, token.end, " constexpr")
            elif text == "constexpr" and not inside and _is_of_samplers(tokens, i):
                self._replace(token.start, token.end, "constant constexpr")

    def original(self, line, column):
        """The column in the author's text of a column in ours."""
        for start, removed, added in reversed(self._columns.get(line, ())):
            if column > start:
                column = max(start, column - added + removed) if column > start + added else start
        return column

    def _replace(self, start, end, text):
        self._edits.append((start, end, text + self._newline * self._source.count("\n", start, end)))

    def _rename(self, tokens, names):
        """The author's types that have a name of the library's: `using namespace metal` finds his first."""
        self._newline = "\n"
        for i, token in enumerate(tokens) if names else ():
            is_ours = tokens[i - 1].text == "::" and tokens[i - 2].text in _LIBRARY
            if token.text in names and tokens[i - 1].text not in (".", "->") and not is_ours:
                self._replace(token.start, token.end, f"{token.text}_")

    def _blank_attributes(self, tokens, i):
        while i < len(tokens) and tokens[i].text == "[[":
            end = closing(tokens, i)
            self._replace(tokens[i].start, tokens[end].end, "")
            i = end + 1

    def _separate(self, tokens, i):
        """`[[color(0) index(1)]]` -> `[[color(0), index(1)]]`."""
        for before, token in zip(tokens[i : closing(tokens, i)], tokens[i + 1 :]):
            if before.text == ")" and token.kind == "word":
                self._replace(before.end, before.end, ",")

    def _function_pointers(self, tokens, i):
        """`R (*f)(A)` becomes `R (&f)(A)` among template parameters, behind `using`, and behind a `typedef` of what a
        template takes: clang takes no function for a pointer to one there."""
        in_template = tokens[i].text == "template"
        end = closing_angle(tokens, i + 1) if in_template else _find(tokens, i, ";")
        if tokens[i].text == "typedef" and not self._taken & {token.text for token in tokens[i:end]}:
            return
        start = _find(tokens, i, "=") + 1 if tokens[i].text == "using" else i + 1 + in_template
        for j in range(start, end):
            if tokens[j].text in (",", "<"):
                start = j + 1
            is_pointer = tokens[j].text == "(" and tokens[j + 1].text == "*" and j > start
            opening = closing(tokens, j) + 1 if is_pointer else end
            if opening < end and tokens[opening].text == "(":
                self._replace(tokens[j + 1].start, tokens[j + 1].end, "&")

    def _not_constant(self, tokens, i):
        """No `constexpr` before a member that returns a part of `*this`: clang would try it on the spot, and fail."""
        start = next((j for j in range(i, 0, -1) if tokens[j - 1].text in ("{", "}", ";")), 0)
        words = [token.text for token in tokens[start:i]]
        if "constexpr" in words and "thread" in words[: words.index("(")]:
            constant = tokens[start + words.index("constexpr")]
            self._replace(constant.start, constant.end, "")

    def _constructor(self, tokens, i, inside):
        """`vec<T, 4>(...)` -> `make_vector<metal::vec<T, 4>>(...)`, in functions that of variables too."""
        end = closing_angle(tokens, i + 1)
        if inside and end > 0:
            self._initialise(tokens, i, end)
        operator = any(token.text == "operator" for token in tokens[max(0, i - 3) : i])
        if end > 0 and tokens[end + 1 : end + 2] and tokens[end + 1].text == "(" and not operator:
            self._replace(tokens[i].start, tokens[i].end, "make_vector<metal::vec")
            self._replace(tokens[end].end, tokens[end].end, ">")

    def _initialise(self, tokens, i, end):
        """`float4 v(x), w(y);` -> `float4 v = float4(x), w = float4(y);` of the type from `i` to `end`."""
        kind = self._source[tokens[i].start : tokens[end].end].replace("\n", " ")
        kind = kind if i == end else f"make_vector<metal::{kind}>"
        for bracket in _initialised(tokens, end + 1):
            self._replace(tokens[bracket].start, tokens[bracket].start, f" = {kind}")

    def _shared_variable(self, tokens, i):
        """`threadgroup T x[N];` -> a reference of that type: clang has such variables in OpenCL kernels only."""
        start = self._without_alignment(tokens, i + 1)
        kind, type_end = self._own_type(tokens, i, start) or ("", _end_of_type(tokens, start))
        if type_end is None:
            return
        self._refer(tokens, type_end, kind or self._source[tokens[start].start : tokens[type_end - 1].end])

    def _refer(self, tokens, i, kind):
        """The variables of a type from the name at `i` on become references."""
        kind = kind.replace("\\\n", " ")
        for name, end, extents in _declarators(self._source, tokens, i):
            self.shared.add(tokens[name].text)
            if any(token.text == "=" for token in tokens[name:end]):
                self.valued.add(tokens[name].text)
            where = f"(threadgroup {kind} {_HERE} (*){extents})" if extents else f"(threadgroup {kind}*)"
            target = f"{_HERE} (&{tokens[name].text}){extents}" if extents else f"&{tokens[name].text}"
            text = f"{target} = *{where}0".replace("\\\n", " ").replace("\n", " ")
            self._replace(tokens[name].start, tokens[end - 1].end, text)

    def _own_type(self, tokens, i, start):
        """`threadgroup struct {...} x;` -> `struct type_of_x {...}; threadgroup type_of_x x;`: the name, and where that
        of x stands; None where the type at `start` has no body."""
        opening = _find(tokens, start, "{")
        end = closing(tokens, opening) if opening < len(tokens) else opening
        if end + 1 >= len(tokens) or opening > start + 2 or tokens[start].text not in _TYPES:
            return None
        kind = tokens[opening - 1].text if opening > start + 1 else f"type_of_{tokens[end + 1].text}"
        self._replace(tokens[i].start, tokens[i].end, "")
        self._replace(tokens[start].end, tokens[opening].start, f" {kind} ")
        self._replace(tokens[end].end, tokens[end].end, f"; threadgroup {kind}")
        return kind, end + 1

    def _without_alignment(self, tokens, i):
        """The index after `__attribute__((aligned(16)))` or `alignas(16)`, which a reference cannot have."""
        while tokens[i : i + 1] and tokens[i].text in ("__attribute__", "alignas") and tokens[i + 1].text == "(":
            end = closing(tokens, i + 1)
            self._replace(tokens[i].start, tokens[end].end, "")
            i = end + 1
        return i

    def _apply(self, source):
        parts, last, replaced, self._columns, lines = [], 0, None, {}, Lines(source)
        for start, end, text in self._edits:
            if start < last or start == end == replaced:
                continue
            parts += [source[last:start], text]
            line, column = lines.at(start)
            shifts = self._columns.setdefault(line, [])
            if "\n" not in text:
                shift = sum(added - removed for _, removed, added in shifts)
                shifts.append((column + shift, end - start, len(text)))
            last, replaced = end, end if end > start else replaced
        return "".join([*parts, source[last:]])


def _initialised(tokens, i):
    """The brackets behind the names of variables, those of `v` and `w` in `float3 v(x), u = x, w(y);`, from the name at
    `i` on; none where this is no list of variables."""
    found = []
    while i + 1 < len(tokens) and tokens[i].kind == "word" and tokens[i + 1].text in ("(", "[", "=", ",", ";"):
        i += 1
        if tokens[i].text == "(":
            if not _is_value(tokens[i + 1 : closing(tokens, i)]):
                break
            found.append(i)
        while i < len(tokens) and tokens[i].text not in (",", ";", ")", "}"):
            i = closing(tokens, i) + 1 if tokens[i].text in "([{" else i + 1
        if i == len(tokens) or tokens[i].text != ",":
            return found if tokens[i : i + 1] and tokens[i].text == ";" else []
        i += 1
    return []


def _is_value(inner):
    """Whether tokens between brackets are values, and no parameters of a function."""
    words = [token.kind == "word" for token in inner]
    return bool(inner) and not (any(map(all, zip(words, words[1:]))) or any(t.text in _NAMES for t in inner))


def _opens_namespace(tokens, i):
    """Whether the brace at `i` opens a namespace, whose inside is outside of functions."""
    before = [token.text for token in tokens[max(0, i - 4) : i]]
    return "namespace" in before or before[-2:] == ["extern", '"C"']


def _find(tokens, i, text):
    """The index of the first token from `i` on that is `text`, or the number of tokens."""
    return next((j for j in range(i, len(tokens)) if tokens[j].text == text), len(tokens))


def _qualifies_other(tokens, i):
    """Whether the `thread` at `i` is of a variable that points to another space: `thread const device T* p[4]`."""
    after = [token.text for token in tokens[i + 1 : i + 4]]
    return bool({"device", "constant", "threadgroup"} & set(after[: 2 if after[:1] == ["const"] else 1]))


def _alternative(tokens, i, lines):
    """The index of the first token behind the `#else` of the branch that the token at `i` is in."""
    return next((j for j in range(i, len(tokens)) if lines.exclude(tokens[i].start, tokens[j].start)), len(tokens))


def _is_of_samplers(tokens, i):
    """Whether the `constexpr` at `i` is of a sampler, or an array of some, that names no space."""
    words = [token.text for token in tokens[max(0, i - 1) : i + 6]]
    return "sampler" in words[1:] and "constant" not in words and "=" not in words[: words.index("sampler", 1)]


def _is_type_alone(tokens, i):
    """Whether the vector's name at `i`, before a bracket, makes no vector: `float4 (&x)[2]`, `operator float4()`."""
    is_declarator = tokens[i + 2 : i + 3] and tokens[i + 2].text in ("&", "*")
    return is_declarator or tokens[i - 1].text == "operator"


def _is_value_of(tokens, i):
    """Whether the `thread` at `i` is of what a function returns by value: `thread vec<T, 2> f(T x)`."""
    words, i = 0, i + 1
    while i < len(tokens) and (tokens[i].kind == "word" or tokens[i].text in ("::", "<")):
        words += tokens[i].kind == "word"
        end = closing_angle(tokens, i) if tokens[i].text == "<" else i
        if end < 0:
            return False
        i = end + 1
    is_call = i + 1 < len(tokens) and tokens[i].text == "(" and tokens[i + 1].text not in ("&", "*")
    return words > 1 and is_call and tokens[i - 1].kind == "word"


def _ends_parameters(tokens, i):
    """Whether the word at `i` follows the parameters of a function."""
    while i and tokens[i - 1].text in ("const", "noexcept", "volatile"):
        i -= 1
    return i > 0 and tokens[i - 1].text == ")"


def declared_types(tokens):
    """The names that are declared as types anywhere in a run of tokens."""
    return {token.text for i, token in enumerate(tokens) if token.kind == "word" and _declares_type(tokens, i)}


def _declares_type(tokens, i):
    """Whether the name at `i` is declared as a type there."""
    before = tokens[i - 1].text if i else ""
    after = tokens[i + 1].text if i + 1 < len(tokens) else ""
    return (before in _TYPES and after in ("{", ":", ";")) or (before == "using" and after == "=")


def _starts_statement(tokens, i):
    """Whether a declaration starts at `i`, which is inside some braces."""
    before = tokens[i - 1].text if i else ";"
    return before in _BEFORE_STATEMENT or before in ("volatile", "]]")


def _is_name(tokens, i):
    """Whether the token at `i` is the name of a variable that a declaration ends or goes on with."""
    return i + 1 < len(tokens) and tokens[i].kind == "word" and tokens[i + 1].text in ("[", ";", ",", "=")


def _end_of_type(tokens, i):
    """The index of the name that a declaration's type stands before, or None where this is no variable."""
    first = i
    while i < len(tokens):
        if tokens[i].text == "<":
            i = closing_angle(tokens, i)
            if i < 0:
                return None
        elif tokens[i].kind != "word" and tokens[i].text != "::":
            i -= tokens[i - 1].text == "__attribute__"
            ends = tokens[i].text in ("[", ";", ",", "=", "__attribute__") and tokens[i - 1].kind == "word"
            return i - 1 if ends and i - 1 > first else None
        i += 1
    # A macro may leave the semicolon to its user.
    return i - 1 if i - 1 > first and tokens[i - 1].kind == "word" else None


def _declarators(source, tokens, i):
    """(index of the name, index after it and its initial value, extents) of each variable."""
    while True:
        name, i = i, i + 1
        while i < len(tokens) and tokens[i].text == "[":
            i = closing(tokens, i) + 1
        extents = source[tokens[name].end : tokens[i - 1].end]
        if tokens[i : i + 1] and tokens[i].text == "__attribute__":
            i = closing(tokens, i + 1) + 1
        if i < len(tokens) and tokens[i].text == "=":
            while i < len(tokens) and tokens[i].text not in (",", ";"):
                i = closing(tokens, i) + 1 if tokens[i].text in "([{" else i + 1
        yield name, i, extents
        if i + 1 >= len(tokens) or tokens[i].text != ",":
            return
        i += 1
