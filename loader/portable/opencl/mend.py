"""Metal that only the types of its operands tell how to rewrite: the compiler's errors know them, and point at it."""

import re
from typing import NamedTuple

from ..text import blank, edit
from .rewrite import closing

_SAID = re.compile(r"([^\s:][^:\n]*):(\d+):(\d+): (error|note): (.*)")
# Notes behind an error in a header or in a macro that name a place of the author's.
_PLACE = re.compile(r"expanded from macro|in instantiation of template type alias")
_CALLER = re.compile(r"in instantiation of function template specialization")
_LINE = re.compile(r'#line (\d+)(?: "(.*)")?')
_LIBRARY = "#include <metal_stdlib>\n"
_OPERATOR = re.compile(r"([*/%+\-&|^]=)|[<>=!]=|[*/%+\-^<>]|&(?!&)|\|(?!\|)")
_NAME = re.compile(r"(?!(?:float|half|bfloat|bool|u?(?:char|short|int|long))\b)\w+(?=\s*\()")
_TYPE = r"\b(?:typename|class|struct|using)\s+{0}\b|\btypedef\b[^;]*\b{0}\s*;"
_CAST = re.compile(r"\(\s*(\w+)\s*\)")
_CHOICE = re.compile(r"::|[?:()\[\]{};]")
_ALIAS = re.compile(
    r"\btypedef\b[^;{}]*\(\s*\*\s*(\w+)\s*\)\s*\([^;{}]*;|\busing\s+(\w+)\s*=[^;{}]*\(\s*\*\s*\)\s*\([^;{}]*;"
)
_POINTER = re.compile(r"\*\s*(\w+)\s*\)\s*(?=\()")
_REFERENCE = re.compile(
    r"\bthread\b(?=\s+(?:const\s+)?[\w:<>, ]+&\s*(?:\w+|operator\s*[^\s\w(]+|operator\s*\(\s*\))\s*\()"
)
_BRACES = re.compile(r"\w+\s*(=?)\s*(?=\{)")
_MATRIX = re.compile(r"'__constant (\w+)'")
_ARGUMENT = re.compile(r"(?:\w+::)*(\w+)(?=\s*[,>])")
_BOUNDARY = re.compile(r"[(){}\[\];]")
_NAMESPACE = re.compile(r"\bnamespace\b[\w\s:]*\Z")
_CONSTANT = re.compile(r"\bif\s+constexpr\s*(?=\()")
_ELSE = re.compile(r"\s*else\s*(?:if\s+constexpr\s*)?")
# What the static_assert says in place of a branch that is not discarded: then the error before it counts.
KEPT = "msl: this branch is not discarded"
_VEC = re.compile(r"vec(?=\s*<)")


class Error(NamedTuple):
    """An error of the compiler's: the places (file, line, column) that it names, those that instantiate them, the code
    that it underlines left of its caret, and how much from there on."""

    message: str
    places: list
    callers: list
    left: str
    width: int


def mended(source, log):
    """The unit with the constructs that a log's errors are about in words that the compiler takes, or None."""
    # A column of the log is a byte.
    source = source.encode().decode("latin-1")
    text, starts, edits = blank(source), _starts(source), set()
    for error in _errors(log):
        rule = next((rule for said, rule in _RULES if re.search(said, error.message)), None)
        places = error.places + (error.callers if rule is _discard else [])
        at = [starts[place[:2]] + int(place[2]) - 1 for place in places if place[:2] in starts]
        edits |= next(filter(None, (rule(text, i, error) for i in at)), set()) if rule else set()
    if not edits:
        return None
    source = edit(source, edits).replace(_LIBRARY, f"{_LIBRARY}#include <mended.h>\n", 1)
    return source.encode("latin-1").decode()


def _starts(source):
    """{(file, line): offset} in the compiler's names of a unit's lines."""
    starts, file, number, offset = {}, "", 1, 0
    for line in source.split("\n"):
        starts.setdefault((file, str(number)), offset)
        named = _LINE.match(line)
        file, number = (named[2] or file, int(named[1])) if named else (file, number + 1)
        offset += len(line) + 1
    return starts


def _errors(log):
    """The errors of a log, in order."""
    found, lines = [], log.splitlines()
    for said, code, marks in zip(lines, [*lines[1:], ""], [*lines[2:], "", ""]):
        match = _SAID.match(said)
        if match and match[4] == "error":
            before, _, after = marks.partition("^")
            left = code[before.find("~") : len(before)].strip() if "~" in before else ""
            width = 1 + len(after) - len(after.lstrip("~"))
            found.append(Error(match[5], [match.groups()[:3]], [], left, width))
        elif match and found and _PLACE.match(match[5]):
            found[-1].places.append(match.groups()[:3])
        elif match and found and _CALLER.match(match[5]):
            found[-1].callers.append(match.groups()[:3])
    return found


def _fit(text, i, error):
    """`v * x` -> `v *msl::fit* x`, `v *= x` -> `v *= msl::fitted<decltype(msl::value(v))>() = x`."""
    operator = _OPERATOR.match(text, i)
    if not operator or text.endswith("msl::fit", 0, i) or text.startswith(" msl::fitted", operator.end()):
        return set()
    end = operator.end()
    if not operator[1]:
        return {(end, end, f"msl::fit{operator[0]}")}
    return {(end, end, f" msl::fitted<decltype(msl::value({error.left}))>() =")} if error.left else set()


def _make(text, i, error):
    """`T(x, y)` -> `msl::made<T>(x, y)`, `(T)x` -> `msl::made<T>(x)`, `T v(x, y)` ->
    `T v = msl::made<decltype(msl::value(v))>(x, y)`."""
    if cast := _CAST.match(text, i):
        end = i + error.width
        return {(i, cast.end(), f"msl::made<{cast[1]}>("), (end, end, ")")} if end > cast.end() else set()
    name = _NAME.match(text, i)
    if not name or text.endswith("msl::", 0, i):
        return set()
    if re.search(_TYPE.format(name[0]), text):
        return {(i, i, "msl::made<"), (name.end(), name.end(), ">")}
    return {(name.end(), name.end(), f" = msl::made<decltype(msl::value({name[0]}))>")}


def _choose(text, i, _):
    """`c ? a : b` -> `c ? msl::temporary() = a : msl::temporary() = b`."""
    depth, inner = 0, 0
    for match in _CHOICE.finditer(text, i + 1) if text[i] == "?" else ():
        depth += (match[0] in "([{") - (match[0] in ")]}")
        inner += (match[0] == "?") - (match[0] == ":") if depth == 0 else 0
        if depth < 0 or match[0] == ";" or text.startswith(" msl::temporary", i + 1):
            break
        if inner < 0:
            return {(at, at, " msl::temporary() =") for at in (i + 1, match.end())}
    return set()


def _parameter(text, i, _):
    """`template <R (*F)(A)>` -> `template <typename F>`, of a type `typedef R (*F)(A)` or `using F = R (*)(A)` too."""
    if alias := next((match for match in _ALIAS.finditer(text) if match.start() < i < match.end()), None):
        parameters = re.finditer(rf"\b{alias[1] or alias[2]}(?=\s+\w+\s*[,>])", text)
        edits = {(match.start(), match.end(), "typename") for match in parameters}
        return edits and edits | {(alias.start(), alias.end(), "\n" * alias[0].count("\n"))}
    pointer, start = _POINTER.match(text, i), max(text.rfind("<", 0, i), text.rfind(",", 0, i)) + 1
    if not pointer or not re.search(r"\btemplate\s*<[^;{}]*\Z", text[:start]):
        return set()
    end = closing(text, pointer.end(), "()")
    return {(start, end, f" typename {pointer[1]}" + "\n" * text.count("\n", start, end))}


def _called(text, i, _):
    """`F(x)` -> `F()(x)` of a parameter that was a pointer to a function."""
    name = re.search(r"\w+\s*\Z", text[max(i - 99, 0) : i])
    aliases = "|".join(match[1] or match[2] for match in _ALIAS.finditer(text)) or "(?!)"
    pointer = name and re.search(rf"(\(\s*\*|\b({aliases}))\s*{name[0].strip()}\s*(\)\s*\(|[,>])", text)
    return {(i, i, "()")} if pointer and text[i] == "(" else set()


def _function(text, i, _):
    """`f<g>(x)` of a function g -> `f<called>(x)` of a struct that calls g, which stands before all that names it."""
    argument, before = _ARGUMENT.match(text, i), re.search(r"[<,]\s*(&?\s*)\Z", text[max(i - 99, 0) : i])
    inside, boundary = [], 0
    for match in _BOUNDARY.finditer(text, 0, i):
        if match[0] in "([{":
            inside.append(not _NAMESPACE.search(text, max(match.start() - 99, 0), match.start()))
        elif match[0] in ")]}" and inside:
            inside.pop()
        boundary = match.end() if match[0] in ";{}" and not any(inside) else boundary
    declared = argument and re.search(rf"\b{argument[1]}\s*(\([^)]*\))", text[:boundary])
    if not declared or not before:
        return set()
    name, values = f"msl_{argument[1]}_{i}", "A&&... a" if "&" in declared[1] else "A... a"
    operator = f"METAL_FUNC auto operator()({values}) const {{ return {argument[0]}(a...); }}"
    struct = f" struct {name} {{ template <typename... A> {operator} }};"
    return {(boundary, boundary, struct), (i - len(before[1]), argument.end(), name)}


def _constant(text, i, error):
    """`constant float3x3 m = {...};` -> `constant float3x3 m = float3x3{...};`."""
    braces, kind = _BRACES.match(text, i), _MATRIX.search(error.message)[1]
    return {(braces.end(), braces.end(), kind if braces[1] else f"= {kind}")} if braces else set()


def _returned(text, i, _):
    """`thread T& f() { return *this; }` -> `T& f() { return *this; }`: what a member returns may lie in any space."""
    last = [match.span() for match in _REFERENCE.finditer(text, 0, i)][-1:]
    return {(*span, "") for span in last}


def _vector(text, i, _):
    """`vec<T, N>` -> `any_vec<T, N>`, which may be of bool."""
    vec = _VEC.match(text, i)
    return {(i, vec.end(), "any_vec")} if vec else set()


def _discard(text, i, _):
    """A branch with an error, of `if constexpr (c)` -> `static_assert(!(c))`: the body of a kernel is no template."""
    held, branch = [], None
    for match in _CONSTANT.finditer(text, 0, i):
        end = closing(text, match.end(), "()")
        condition, sign = " ".join(text[match.end() : end].split()), ""
        while end and text[end:].lstrip().startswith("{"):
            start, end = text.index("{", end), closing(text, text.index("{", end), "{}")
            if start < i < end:
                held, branch = [*held, sign + condition], (start + 1, end - 1)
                break
            otherwise, sign = _ELSE.match(text, end), "!"
            end = otherwise and (
                otherwise.end() if text[otherwise.end()] != "(" else closing(text, otherwise.end(), "()")
            )
    if not branch:
        return set()
    lines = "\n" * text.count("\n", *branch)
    return {(*branch, f' static_assert(!({" && ".join(held)}), "{KEPT}"); {lines}')}


_RULES = (
    (r"scalar operand type has greater rank than the type of the vector element", _fit),
    (
        r"excess elements in scalar initializer|from vector .* to vector|style cast from '(?:b?float|half|__bf16)'"
        r"|cannot initialize a variable of type .*(?:vec<|ext_vector)",
        _make,
    ),
    (r"incompatible operand types|conditional expression is ambiguous", _choose),
    (r"invalid vector element type .*'bool'", _vector),
    (r"no matching constructor for initialization of '__constant (?:float|half)\dx\d'", _constant),
    (r"binding reference of type '__private .*' to value of type '__generic .*' changes address space", _returned),
    (r"pointers to functions are not allowed", _parameter),
    (r"called object type .*'int'\)? is not a function", _called),
    (r"taking address of function is not allowed", _function),
    (rf"^(?!use of undeclared|expected|.*{KEPT})", _discard),
)
