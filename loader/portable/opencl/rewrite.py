"""What no header can teach OpenCL of Metal's language, rewritten in the source. Every line keeps its number."""

import re

from ..text import SHARED, blank, edit

_VECTOR = r"(?:metal::|simd::)?(?:float|half|bfloat|char|uchar|short|ushort|int|uint|long|ulong)[234]\b"
_ANY_VECTOR = rf"(?:(?:metal::)?vec\s*<[^;]*>|{_VECTOR})"
_DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
_LITERAL = re.compile(
    r"(?<![\w.])((?:\d+\.\d*|\d+(?=[eE]))(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)bf\b", re.IGNORECASE
)
_ALIAS = re.compile(rf"\busing\s+(\w+)\s*=\s*{_ANY_VECTOR}\s*;|\btypedef\s+{_ANY_VECTOR}\s+(\w+)\s*;")
_OPERATOR = re.compile(r"\boperator\s+(?:metal::|simd::)?([a-z]+)([234])\s*(?=\()")
_PARAMETERS = re.compile(r"[<,]\s*(?:typename|class)\s+(\w+)")
# Packed vectors that are aligned vectors here; the others are structs.
_PACKED = {
    f"packed_{kind}{size}"
    for kind in "float half bfloat char uchar short ushort int uint long ulong".split()
    for size in (2, 4)
}
_ELEMENTS = re.compile(r"\b(float|half|bfloat|u?(?:char|short|int|long))[234]\b|\bvec\s*<\s*(\w+)")
# `thread` after the parameters of a member function: temporaries lie in no space.
_MEMBER = re.compile(r"(?<=\))(\s*(?:const\s+)?)thread\b(?=\s*[{:;=])")
_HALVES = re.compile(r"(?<![\w.:<])(?<!operator )(half|bfloat)\s*(?=\((?!\s*[&*)]))")
_CONSTANT = re.compile(r"(?<!\bconst )\bconstant[ \t]+(?!const\b)(?=[\w:]+(?:\s*<[^<>;]*>)?\s*[*&]\s*\w+\s*[,)])")
_BOOLS = re.compile(r"(?:\bmetal::)?\bvec\s*<\s*bool\s*,\s*([234])\s*>")
_BRACED = re.compile(rf"({_VECTOR})(\s+\w+\s*=\s*)\{{(?!\s*[.}}])(?=[^{{}};]*\}}\s*;)")
_READ_ONLY = re.compile(r"\bthread[ \t]+(?=const\b)|(?<=\bconst)[ \t]+thread\b")
# How far before a word lies all that tells what it is.
_NEAR = 200
_ELSE = re.compile(r"\s*else\b")
_POSTFIX = re.compile(r"\s*(?:::|\.|->)\s*\w+")
# A parameter of a function that is declared. Pointers and references have an address space: without it `a * b` is a
# product.
_PARAMETER = re.compile(
    r"\s*(?:(?:(?:const|device|constant|thread|threadgroup)\s+)+[\w:]+[\s*&]+\w+\s*|[\w:]+\s+\w+\s*"
    r"|(?:void|bool|float|half|bfloat|u?(?:char|short|int|long))[234]?\s*)?"
)
_TYPE = re.compile(r"\b(?:typename|class|struct|using)\s+(\w+)")
# What ends the value of a variable, or stands in it: a comma between template arguments ends none.
_VALUE = re.compile(r"\w\s*<[\w\s:,]*>|[,;()\[\]{}]")
# The name of a variable that is declared, before its value, its extents, the next or the end.
_NAME = re.compile(r"\s*\w+\s*(?=([(=\[,;]))")
_CONVERTED = re.compile(
    rf"(?:static_cast\s*<\s*{_ANY_VECTOR}\s*>|(?<![\w.]){_ANY_VECTOR})\s*(?=\()|\bauto\s+\w+\s*=(?!=)"
)
_CALL = re.compile(r"\w\s*(?:<[^<>()]*>\s*)?\([^()]*\)|\[[^\[\]]*\]")
_COMPARISON = re.compile(r"(?<![<>=!-])(?:[<>]=?|[=!]=)(?![<>=])|&&|\|\|")
_DECLARATOR = r"\w+\s*(?:\[[^\]]*\]\s*)*"
_DECLARATION = re.compile(rf"(.+?)\s+({_DECLARATOR}(?:,\s*{_DECLARATOR})*)", re.DOTALL)


def rewrite(source: str, context: str = "", converts: bool = False) -> str:
    """Metal source, the body of a kernel or what stands above it, in the words that our `metal_stdlib` understands.

    `context` is source compiled before it: aliases of vector types declared there are known here. `converts` says that
    a template parameter may be a vector of other elements than what becomes one.
    """
    names = {"vec", *_PACKED} | {
        name for match in _ALIAS.findall(blank(context + "\n" + source)) for name in match if name
    }
    # Between half and bfloat OpenCL converts by way of float alone.
    source = edit(source, [(m.start(), m.end(), f"msl::to<{m[1]}>") for m in _HALVES.finditer(blank(source))])
    source = edit(source, [(m.start(), m.end(), f"bfloat({m[1]}f)") for m in _LITERAL.finditer(blank(source))])
    # To a const reference anything may be passed, of whatever address space: Metal copies it.
    source = edit(source, [(m.start(), m.end(), "") for m in _READ_ONLY.finditer(blank(source))])
    source = edit(source, [(m.start(), m.end(), m[1]) for m in _MEMBER.finditer(blank(source))])
    source = edit(source, [(m.start(), m.end(), f"bool{m[1]}") for m in _BOOLS.finditer(blank(source))])
    # Metal's constant memory is const by itself.
    source = edit(source, [(m.start(), m.start(), "const ") for m in _CONSTANT.finditer(blank(source))])
    source = edit(source, _braces(blank(source)))
    types = set(_PARAMETERS.findall(blank(source))) if converts else set()
    source = edit(source, _casts(blank(source), types))
    source = edit(source, _conversions(blank(source), types) if types else [])
    source = edit(source, _declarations(blank(source), names))
    source = edit(source, _comparisons(blank(source)))
    source = edit(source, _constructors(blank(source), names))
    source = edit(
        source,
        [(m.start(), m.end(), f"operator metal::vec<{m[1]}, {m[2]}>") for m in _OPERATOR.finditer(blank(source))],
    )
    return edit(source, _hoists(source, blank(source, _DIRECTIVE)))


def pragmas(source: str) -> tuple[list[str], str]:
    """(the `#pragma clang fp` lines of a body, which hold for all of it where they stand before it, the body)."""
    found = _FP_PRAGMA.findall(blank(source))
    return found, edit(source, [(m.start(), m.end(), "") for m in _FP_PRAGMA.finditer(blank(source))])


_FP_PRAGMA = re.compile(r"^[ \t]*(#[ \t]*pragma[ \t]+clang[ \t]+fp\b[^\n]*)", re.MULTILINE)


def closing(text: str, start: int, pair: str) -> int:
    """The position after the bracket that closes the one at `start`, or 0."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == pair[0]) - (text[i] == pair[1])
        if depth == 0:
            return i + 1
    return 0


def _constructors(text: str, names: set[str]) -> list[tuple[int, int, str]]:
    """`vec<T, 4>(...)`, `alias(...)` -> `make_vector<...>(...)`: clang takes one argument in such an expression."""
    edits = []
    for match in re.finditer(rf"(?<![\w.~])(?:{'|'.join(sorted(names))})\b\s*(?=[<(])", text):
        end = match.end()
        if text[end] == "<":
            end = closing(text, end, "<>")
        if (
            end
            and text[end:].lstrip()[:1] == "("
            and not re.search(r"\boperator\s*(?:metal::)?\Z", text[max(match.start() - _NEAR, 0) : match.start()])
        ):
            edits += [(match.start(), match.start(), "make_vector<"), (end, end, ">")]
    return edits


def _declarations(text: str, names: set[str]) -> list[tuple[int, int, str]]:
    """`float4 v(x, y), w(z);` -> `float4 v = float4(x, y), w = float4(z);`, but no declaration of a function."""
    types = rf"{_VECTOR}|(?:metal::|simd::)?(?:{'|'.join(sorted(names))})\b(?:\s*<[^<>;(){{}}]*>)?"
    edits, named = [], set(_TYPE.findall(text))
    for match in re.finditer(rf"\b(?<![.>:])({types})\s+(?=\w+\s*(?:[=,][^;]*,\s*\w+\s*)?\()", text):
        edits += _declarators(text, match.end(), match[1], named)
    return edits


def _declarators(text: str, start: int, kind: str, named: set[str]) -> list[tuple[int, int, str]]:
    """The edits of the variables that are declared from `start` on, none where that is no list of variables. `named`
    are types."""
    edits = []
    while name := _NAME.match(text, start):
        start = name.end()
        if name[1] == "(":
            end = closing(text, start, "()")
            arguments = text[start + 1 : end - 1].split(",")
            if not end or all(_PARAMETER.fullmatch(each) or each.strip() in named for each in arguments):
                break
            edits.append((start, start, f" = {kind}"))
            start = end
        start = _end_of_value(text, start)
        if not start or text[start] == ";":
            return edits if start else []
        start += 1
    return []


def _end_of_value(text: str, start: int) -> int:
    """The position of the comma or the semicolon behind a variable's extents and value, or 0."""
    depth = 0
    for match in _VALUE.finditer(text, start):
        depth += (match[0] in "([{") - (match[0] in ")]}")
        if depth < 0 or (depth == 0 and match[0] in ",;"):
            return 0 if depth else match.start()
    return 0


def _braces(text: str) -> list[tuple[int, int, str]]:
    """`float4 v = {x};` -> `float4 v = msl::filled<float4>(x);`: OpenCL wants all components."""
    edits = []
    for match in _BRACED.finditer(text):
        end = closing(text, match.end() - 1, "{}")
        edits += [(match.end() - 1, match.end(), f"msl::filled<{match[1]}>("), (end - 1, end, ")")]
    return edits


def _comparisons(text: str) -> list[tuple[int, int, str]]:
    """`float4(a < b)` -> `float4(msl::compared(a < b))`: between vectors OpenCL compares to -1, Metal to true."""
    edits = []
    for match in _CONVERTED.finditer(text):
        if text[match.end()] == "(" and not match[0].endswith("="):
            start, end = match.end() + 1, closing(text, match.end(), "()") - 1
        else:
            start, end = match.end(), text.find(";", match.end())
        plain, seen = text[start:end], None
        while plain != seen:
            plain, seen = _CALL.sub("", plain), plain
        if end > start and _COMPARISON.search(plain) and not re.search(r"[?,]", plain):
            edits += [(start, start, "msl::compared("), (end, end, ")")]
    return edits


def of_several_elements(text: str) -> bool:
    """Whether the text names vectors of several elements, one of which may become another."""
    return len({name for match in _ELEMENTS.findall(text) for name in match if name}) > 1


def _conversions(text: str, types: set[str]) -> list[tuple[int, int, str]]:
    """`T(x)` -> `T(msl::into<T>() = x)` of a template parameter, but no number and no function's type."""
    edits = []
    for match in re.finditer(rf"\b(?<![.~])({'|'.join(sorted(types))})\s*\((?!\s*[-\d.&*)\{{])", text):
        arguments = text[match.end() : closing(text, match.end() - 1, "()") - 1].split(",")
        is_type = all(_PARAMETER.fullmatch(each) or each.strip() in types for each in arguments)
        if not is_type and not _end_of_value(text, match.end()):
            edits.append((match.end(), match.end(), f"msl::into<{match[1]}>() = "))
    return edits


def _casts(text: str, types: set[str]) -> list[tuple[int, int, str]]:
    """`(half4)x` -> `half4(x)`: OpenCL's cast does not convert between vectors."""
    edits, kind = [], rf"\(\s*({'|'.join([_VECTOR, *sorted(types)])})\s*\)"
    cast = re.compile(rf"{kind}\s*(?=[A-Za-z_(])")
    for match in cast.finditer(text):
        before = text[max(match.start() - _NEAR, 0) : match.start()].rstrip()
        if re.search(r"[\w)\]>]\Z", before) and not re.search(rf"\breturn\Z|{kind}\Z", before):
            continue  # a call, or a list of parameters
        end = start = match.end()
        while inner := cast.match(text, end):
            end = inner.end()
        if text[end] != "(":
            end = re.compile(r"\w+").match(text, end).end()
        while end < len(text) and (text[end] in "([" or _POSTFIX.match(text, end)):
            step = _POSTFIX.match(text, end)
            end = step.end() if step else closing(text, end, "()" if text[end] == "(" else "[]")
        edits += [(match.start(), start, match[1] + "("), (end, end, ")")]
    return edits


def _hoists(source: str, text: str) -> list[tuple[int, int, str]]:
    """A threadgroup variable of a nested scope moves before the statement it is in; a reference takes its place."""
    edits, depth, boundary, seen = [], 0, 0, 0
    for count, match in enumerate(SHARED.finditer(text)):
        for i in range(seen, match.start()):
            depth += (text[i] in "({[") - (text[i] in ")}]")
            if depth == 0 and text[i] in ";}" and not _ELSE.match(text, i + 1):
                boundary = i + 1
        seen = match.start()
        declaration = _DECLARATION.fullmatch(source[match.start(1) : match.end(1)].strip())
        if depth == 0 or not declaration:
            continue
        hoisted, references = [], []
        for declarator in re.findall(_DECLARATOR, declaration[2]):
            name, extents = re.match(r"(\w+)\s*(.*)", declarator, re.DOTALL).groups()
            hoisted.append(f"{name}_nested_{count}{' '.join(extents.split())}")
            references.append(f"auto& {name} = {name}_nested_{count};")
        lines = "\n" * source[match.start() : match.end()].count("\n")
        edits.append((boundary, boundary, f" threadgroup {' '.join(declaration[1].split())} {', '.join(hoisted)};"))
        edits.append((match.start(), match.end(), " ".join(references) + lines))
    return edits
