"""Rules of this project's own kernels, DESIGN.md section 2, that tokens are enough for."""

from .attributes import VALUES
from .finding import Finding

_STATEMENT = ("{", "}", ";", "(", "const")
_SIZES = ("shape", "strides", "ndim")
# The functions of which Metal has a fast and a precise version that differ.
_ELEMENTARY = (
    *("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "cospi", "exp", "exp10", "exp2"),
    *("log", "log10", "log2", "pow", "powr", "rsqrt", "sin", "sincos", "sinh", "sinpi", "sqrt"),
    *("tan", "tanh", "tanpi"),
)


def check(file, lines, tokens, functions):
    """Findings in the style of a kernel file or of a helper."""

    def finding(token, rule, message):
        return Finding(file, *lines.at(token.start), rule, message)

    for token in tokens:
        if token.text == "atomic" or token.text.startswith("atomic_"):
            yield finding(token, "atomic", f"{token.text} is not repeatable")
    yield from _fast(finding, tokens)
    for function in functions:
        if function.is_kernel:
            yield from _names(finding, tokens, function)
            yield from _derived(finding, tokens, function)
            for name, (token, _) in function.attributes.items():
                if name.endswith("threads_per_threadgroup"):
                    yield finding(token, "threads", f"{name} is lost: MLX writes the signature")
        else:
            yield from _helper(finding, function)


def _fast(finding, tokens):
    """Calls of elementary functions that do not say which version they want."""
    for i, token in enumerate(tokens[:-1]):
        if token.text in _ELEMENTARY and tokens[i + 1].text == "(":
            before = [t.text for t in tokens[max(0, i - 2) : i]]
            if before[-1:] not in (["."], ["->"]) and before != ["precise", "::"]:
                fast = before == ["fast", "::"]
                yield finding(token, "precise", f"{token.text} {'is' if fast else 'may be'} the fast one")


def _names(finding, tokens, function):
    """Names that contain one MLX looks for, and are none themselves."""
    inputs = [p.name.text for p in function.parameters if p.is_pointer and p.name and "const" in p.words]
    special = {*VALUES, *(f"{name}_{size}" for name in inputs for size in _SIZES)}
    start, end = function.body
    for token in {t.text: t for t in reversed(tokens[start:end]) if t.kind == "word"}.values():
        inside = next((name for name in sorted(special) if name in token.text), None)
        if inside and token.text not in special:
            yield finding(token, "mlx-name", f"{token.text} contains {inside}")


def _derived(finding, tokens, function):
    """Local pointers that name their address space."""
    start, end = function.body
    for i in range(start, end):
        if tokens[i].text in ("device", "constant") and tokens[i - 1].text in _STATEMENT:
            j = i + 1
            while j < end and (tokens[j].kind == "word" or tokens[j].text == "::"):
                j += 1
            if j + 1 < end and tokens[j].text == "*" and tokens[j + 1].kind == "word":
                yield finding(tokens[i], "derived-pointer", f"{tokens[j + 1].text} names an address space; use auto")


def _helper(finding, function):
    for parameter in function.parameters:
        if parameter.is_pointer and parameter.words & {"device", "constant"}:
            name = parameter.name.text if parameter.name else "a parameter"
            yield finding(
                parameter.tokens[0], "helper-pointer", f"{name} of {function.name.text} names an address space"
            )
