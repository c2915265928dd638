"""What C++ for OpenCL refuses and Metal takes: clang's diagnostics that say nothing of a Metal file."""

import re

# Each with what the author's line must hold for it to come of the dialect, or None.
_DIALECT = [
    (r"kernel functions cannot be used in a template", None),
    (r"cannot be used as the type of a kernel parameter", None),
    (r"variable in constant address space must be initialized", r"function_constant|\bstatic\b|::\w+"),
    # A macro may say that it is a function constant.
    (r"variable in constant address space must be initialized", r"\b[A-Z][A-Z\d_]+\("),
    # `constant T` of a T that is const already.
    (r"conflicting address space qualifiers are provided between types 'const constant \w+' and 'const ", None),
    (r"attribute list cannot appear here", None),
    (r"cast from .*(half.*bfloat|bfloat.*half)", None),
    (r"cast from .*\bvector of \d.* is not allowed", None),
    (r"invalid conversion between ext-vector type", r"\("),
    (r"binding dereferenced null pointer", None),
    (r"loses floating-point precision: 'double' to", None),
    # Vectors are made and converted as classes are.
    (r"from vector .* to vector .* of different size", None),
    (r"cannot convert between vector and non-scalar values \('(\w+)' .* and '(?:const )?(?:\w+ )?packed_\1'", None),
    (r"too few elements in vector initialization", None),
    (r"excess elements in scalar initializer", r"\("),
    (r"cannot initialize a variable of type '(vec<|\w+[234]').* of type '(vec<|\w+[234]')", r"\w\s+\w+\s*\("),
    (r"scalar operand type has greater rank than the type of the vector element", None),
    (r"invalid vector element type 'bool'", None),
    (r"cannot bind to a temporary object because of address space mismatch", None),
    (r"binding reference of type .* to value of type 'void' changes address space", r"\{"),
    # A temporary lies in no space: it fits the operators for all of them.
    (r"use of overloaded operator '(\[\]|=)' is ambiguous", None),
    (r"explicitly-defaulted copy assignment operator must return", None),
    # In `constant` memory clang makes no matrix, and none of braces beside vectors.
    (r"no matching constructor for initialization of 'constant (float|half)\dx\d'", None),
    (r"no matching constructor for initialization of '(float|half)\dx\d'", r"\{"),
    # `constant` memory is const by itself.
    (r"reinterpret_cast from 'const .* to 'constant .* casts away qualifiers", None),
    # What `#pragma METAL internals` opens.
    (r"use of undeclared identifier '__(metal|METAL)_", None),
    # A constant of a class template that is read before clang would initialise it.
    (r"in-class initializer for static data member .* requires 'constexpr'", None),
    (r"constexpr variable .* must be initialized by a constant expression", r"::|\b(float|half)\dx\d\b"),
    # As NS_ENUM of Apple's headers declares a type.
    (r"non-defining declaration of enumeration with a fixed underlying type", None),
]
_SAME_TYPES = re.compile(
    r"incompatible operand types \('(.*)' and '(.*)'\)|conditional expression is ambiguous; '(.*)' and '(.*)' can be"
)
# A class that becomes a number is no operand of a pointer in some space, braces make no vector for a call, and a
# temporary lies in no space for clang, in `thread` memory for Metal.
_OPERANDS = re.compile(r"invalid operands|subscripted value|no (matching|viable)")
_NO_OPERAND = re.compile(
    r"integral_constant<|cannot convert initializer list argument to '[^']*(vec<|[a-z][234]')"
    r"|cannot bind reference in default address space to object in address space ''"
)
_CONSTANT_COPY = re.compile(r"implicit copy.*address space 'constant'|'this' object is in address space")
# What may follow from a declaration that clang dropped.
_FOLLOWS = re.compile(
    r"use of undeclared identifier '(\w+)'|unknown type name '(\w+)'|explicit instantiation of '(\w+)' does not refer"
    r"|no (?:member|template|type) named '(\w+)'|no matching function for call to '(\w+)'|'(\w+)' does not refer"
)


def is_dialect(message, notes, line, shared):
    """Whether C++ for OpenCL says so of a line, and Metal does not. `shared` are the threadgroup variables' names."""
    for pattern, need in _DIALECT:
        if re.search(pattern, message) and (need is None or re.search(need, line)):
            return True
    operands = _SAME_TYPES.match(message)
    if operands and len({_bare(name) for name in operands.groups() if name}) == 1:
        # A variable lies in a space, a temporary in none.
        return True
    if re.match(r"variable '(\w+)' (may be|is) uninitialized", message):
        return re.match(r"variable '(\w+)'", message)[1] in shared
    if _OPERANDS.match(message) and any(map(_NO_OPERAND.search, (message, *notes))):
        return True
    # Copying a struct out of constant memory: OpenCL's implicit copy takes generic memory only.
    return bool(re.match(r"no (matching|viable)", message)) and any(map(_CONSTANT_COPY.search, notes))


def is_of_spaces(spelling, notes):
    """Whether a diagnostic, in clang's words, is of an address space where Metal has no such rule.

    The members of `*this` lie anywhere for clang, in `thread` memory for Metal (pointers of the author's without a
    space are found by a rule of their own); `constant` memory is const by itself.
    """
    texts = (spelling, *notes)
    loses = any(re.search(r"'const __constant .*lose const|from 'const __constant .* to '__constant", t) for t in texts)
    if "array of references" in spelling:
        return False
    return loses or any("__generic" in text and "__private" in text for text in texts)


def follows(message, lines):
    """Whether a diagnostic is of a name that is declared on one of the lines which clang dropped for its dialect."""
    match = _FOLLOWS.match(message)
    name = next(filter(None, match.groups()), None) if match else None
    return bool(name) and any(re.search(rf"\b{name}\b", line) for line in lines)


_CALLS = re.compile(
    r"no (matching|viable)|call to .* is ambiguous|too (few|many) arguments|.* not marked const|read-only variable"
    r"|cannot (assign to|initialize a parameter)|subscripted value|reference to overloaded function|invalid operands"
    r"|.*requires that .* constexpr"
)


def calls_what_failed(message, notes, lines, names):
    """Whether a diagnostic is of a call of a function whose body clang gave up: it takes another of that name then, or
    none. `lines` are those it speaks of, `names` the functions."""
    if names and any(re.search(r"substitution failure \[with .*\]$", note) for note in notes):
        # With no reason behind it.
        return True
    if message.startswith("subscripted value") and any(name.endswith("]") for name in names):
        # It gave up an operator [].
        return True
    words = {word for line in lines for word in re.findall(r"\w+", line)} if _CALLS.match(message) else set()
    return bool(words & names)


def _bare(type_):
    """A type without its address space and qualifiers."""
    return re.sub(r"\b(const|volatile|device|constant|threadgroup|thread)\b ?", "", type_).strip()
