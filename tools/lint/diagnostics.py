"""Clang's diagnostics as findings: which rule one falls under, and what it says in Metal's words."""

import re
from functools import lru_cache

_OPTIONS = [
    (r"-W(comma|empty-body)", "warning"),
    (r"-Wunused-(value|comparison|result)", "suspicious"),
    (r"-Wunused|-Wunneeded", "unused"),
    (r"-W(sometimes-|conditional-)?uninitialized", "uninitialised"),
    (r"-Wsign-compare", "sign-compare"),
    (r"-Wshadow", "shadow"),
    (r"-W(array-bounds|shift-|division-by-zero|integer-overflow)", "bounds"),
    (r"-Wtautological-unsigned|-Wtautological|-Wparentheses|-Wlogical|-Wbitwise|-Wdangling|-Wint-in-bool", "condition"),
    (r"-Wempty-body|-Wbool|-Wconstant-logical|-Wmisleading|-Wstring-compare|-Wloop-analysis|-Wfor-loop", "condition"),
    (r"-Wself-assign|-Winfinite|-Widiomatic|-Wself-move|-Wsizeof|-Wmemset|-Wextra-tokens", "suspicious"),
    (r"-Wc\+\+11-narrowing|-W.*conversion|-Wshorten|-Wliteral-range", "narrowing"),
    (r"-Wunreachable", "unreachable"),
    (r"-Wimplicit-fallthrough", "fallthrough"),
    (r"-Wreturn-type", "return"),
    (r"-Wreturn-stack-address", "address-space"),
    (r"-Wcast-qual", "warning"),
]
_MESSAGES = [
    (r"file not found", "include"),
    (r"vector component access|excess elements in vector|swizzle|illegal vector", "vector"),
    (r"too (many|few) (elements|initializers)", "vector"),
    (r"static assertion|static_assert", "static-assert"),
    (
        r"program scope variable|static local variable|extern variable|variable in constant address space",
        "program-scope",
    ),
    (r"pointers? to functions?\b|taking address of function|function pointer", "function-pointer"),
    (
        r"virtual function|exceptions disabled|RTTI|typeid|variable length array|not supported in (C\+\+ for )?OpenCL",
        "unsupported",
    ),
    (
        r"'(default new|default delete|new|delete)' is not supported|wide character|__int128|long double",
        "unsupported",
    ),
    (r"ISO C\+\+17 does not allow 'register'|thread-local|blocks support", "unsupported"),
    (r"requires cl_khr_fp64", "double"),
    (
        r"read-only|const-qualified|cannot assign to|is not assignable|drops? .*const|discards qualifiers",
        "constant-write",
    ),
    (r"address space|changes address", "address-space"),
    (r"bfloat.*(half|float)|(half|float).*bfloat", "bfloat-conversion"),
    (r"undeclared|unknown type name|no member named|no type named|unknown identifier|does not refer to", "undeclared"),
    (r"no matching|ambiguous|too (many|few) arguments|no viable|requires .* argument", "call"),
    (r"expected|extraneous|unterminated|missing|invalid suffix|stray|unmatched", "syntax"),
    (r"return|void function", "return"),
    (r"cannot|incompatible|invalid operands|convert|incomplete type|redefinition|type", "type"),
]
_SPACE = re.compile(r"address space|cannot pass pointer|deduced type '.*\b(device|constant|threadgroup|thread)\b")
# The vector that a constructor is to make.
_WANTED = re.compile(r"V = (?:(\w+[234])\b|(?:metal::)?vec<(\w+), (\d)>)")
_WORDS = [
    (r" __private\b(?= ?[*&])|__private ?|__generic |\b(?:struct|metal)(?:::| )", ""),
    (r"__global\b", "device"),
    (r"__local\b", "threadgroup"),
    (r"__constant\b", "constant"),
    (r"__bf16|bfloat16_t", "bfloat"),
    # `using F = float (*)(float)` is a reference for clang.
    (r"array of references (of type .*\(&\w*\)\()", r"array of pointers to functions \1"),
    (r" \(vector of \d+ '[\w ]+' values\)", ""),
    (r"'([^']+)' \(aka '\1'\)", r"'\1'"),
    (r"(\w+) __attribute__\(\(ext_vector_type\((\d)\)\)\)", r"\1\2"),
]


@lru_cache(maxsize=4096)
def words(message):
    """A message of clang's in Metal's words."""
    for pattern, text in _WORDS:
        message = re.sub(pattern, text, message)
    return message


def rule(option, message, notes, is_error):
    """(rule, message) of a diagnostic whose message and notes are in Metal's words."""
    for pattern, name in _OPTIONS if option else ():
        if re.match(pattern, option):
            # A bfloat loses more than precision: Metal refuses the conversion.
            refused = name == "narrowing" and re.search(r"to '(const )?bfloat'", message)
            return ("bfloat-conversion" if refused else name), message
    if not is_error:
        return "warning", message
    if "make_vector" in message:
        wanted = next(filter(None, map(_WANTED.search, notes)), None)
        return (
            "vector",
            f"these components do not make a {''.join(filter(None, wanted.groups()))}" if wanted else message,
        )
    space = next((note for note in notes if _SPACE.search(note)), None)
    if space and re.match(r"no (matching|viable)", message):
        return "address-space", f"{message}: {re.sub(r'^candidate .*?(not viable|ignored): ', '', space)}"
    return next((name for pattern, name in _MESSAGES if re.search(pattern, message)), "compile"), message
