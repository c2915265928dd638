"""Rules about numbers: conversions nobody wrote, products that overflow, conditions that mean something else."""

from . import diagnostics
from .clang import children, cindex, first, operator, value, walk

_INTEGERS = {"SHORT": 16, "USHORT": 16, "INT": 32, "UINT": 32, "LONG": 64, "ULONG": 64, "LONGLONG": 64, "ULONGLONG": 64}
_COMPARISONS = ("<", ">", "<=", ">=")
_CASTS = ("CSTYLE_CAST_EXPR", "CXX_FUNCTIONAL_CAST_EXPR", "CXX_STATIC_CAST_EXPR", "CXX_REINTERPRET_CAST_EXPR")


def check(finding, body):
    """Findings in the numbers of one function."""
    kinds = cindex.CursorKind
    dead = _dead(body)
    for node, parent in body.nodes:
        if node.hash in dead:
            continue
        if node.kind == kinds.UNEXPOSED_EXPR:
            _check_conversion(finding, node, parent)
        elif node.kind == kinds.CALL_EXPR and node.spelling == "convert":
            _check_overflow(finding, node, next(iter(node.get_arguments()), None))
        elif node.kind == kinds.COMPOUND_ASSIGNMENT_OPERATOR:
            _check_compound(finding, node)
        elif node.kind == kinds.BINARY_OPERATOR:
            _check_binary(finding, node)
    _check_arrays(finding, body)


def _dead(body):
    """The nodes of the operand that `c ? a : b` never takes, c being a constant."""
    dead = set()
    for node, _ in body.nodes:
        sides = children(node) if node.kind == cindex.CursorKind.CONDITIONAL_OPERATOR else ()
        condition = value(sides[0]) if len(sides) == 3 else None
        if condition is not None:
            dead |= {inner.hash for inner, _ in walk(sides[2] if condition else sides[1])}
    return dead


def _check_conversion(finding, node, parent):
    """Conversions that nobody wrote."""
    inner = first(node)
    if inner is None:
        return
    if parent is None or parent.kind != cindex.CursorKind.BINARY_OPERATOR or operator(parent) not in ("%", "/"):
        _check_overflow(finding, node, inner)
    to, given = _scalar(node.type), _scalar(inner.type)
    if to == given or (parent is not None and parent.kind.name in _CASTS):
        return
    if to == "bfloat" and given in ("float", "half"):
        finding(inner, "bfloat-conversion", f"a {given} does not become a bfloat unasked")
    elif to in ("float", "half", "bfloat") and _bits(inner.type):
        division = _bare(inner)
        is_division = division.kind == cindex.CursorKind.BINARY_OPERATOR and operator(division) == "/"
        if is_division and value(division) is None:
            finding(division, "integer-division", f"the quotient of two {given} becomes a {to}")


def _check_overflow(finding, node, inner):
    """A product of 32 bits that becomes one of 64."""
    if inner is not None and _bits(node.type) == 64 and _bits(inner.type) == 32 and _is_run_time_product(inner):
        to, given = _scalar(node.type), _scalar(inner.type)
        finding(inner, "index-overflow", f"a product of {given} is widened to {to} after it may have overflowed")


def _check_binary(finding, node):
    left, right = _operands(node)
    sign = operator(node)
    if left is None:
        return
    if sign in ("!=", "==") and _is_same_float(left, right):
        finding(node, "nan-test", f"fast math takes {sign} of a number with itself for {str(sign == '==').lower()}")
    if sign in ("<<", ">>"):
        width, count = max(32, _bits(left.type)), value(right)
        if _bits(left.type) and count is not None and not 0 <= count < width:
            finding(node, "bounds", f"a shift by {count} of {width} bits")
    elif sign in _COMPARISONS:
        while left is not None and left.kind == cindex.CursorKind.UNEXPOSED_EXPR:
            left = first(left)
        if left is not None and left.kind == cindex.CursorKind.BINARY_OPERATOR and operator(left) in _COMPARISONS:
            finding(node, "condition", f"a comparison gives true or false, which {sign} compares with the rest")


def _is_same_float(left, right):
    """Whether two operands are one variable that holds a float."""
    sides = [_bare(side) for side in (left, right)]
    if any(side.kind != cindex.CursorKind.DECL_REF_EXPR for side in sides):
        return False
    named = [side.referenced for side in sides]
    return (
        all(name is not None for name in named)
        and named[0].hash == named[1].hash
        and _scalar(sides[0].type) in ("float", "half", "bfloat")
    )


def _check_arrays(finding, body):
    """A local array whose first use adds to it has no values to add to."""
    kinds = cindex.CursorKind
    bare = {
        node.spelling
        for node, _ in body.nodes
        if node.kind == kinds.VAR_DECL
        and node.type.kind == cindex.TypeKind.CONSTANTARRAY
        and not any(child.kind.is_expression() and child.kind != kinds.INTEGER_LITERAL for child in children(node))
    }
    sums = {}
    for node, _ in body.nodes:
        if node.kind == kinds.COMPOUND_ASSIGNMENT_OPERATOR:
            left = first(node)
            if left is not None and left.kind == kinds.ARRAY_SUBSCRIPT_EXPR:
                names = [inner for inner, _ in walk(left) if inner.kind == kinds.DECL_REF_EXPR]
                sums.update((name.hash, node) for name in names[:1])
        elif node.kind == kinds.DECL_REF_EXPR and node.spelling in bare:
            if node.hash in sums:
                finding(sums[node.hash], "uninitialised", f"{node.spelling} has no values to add to")
            bare.discard(node.spelling)


def _operands(node):
    """The two sides of an operator; (None, None) where clang could not make one out."""
    sides = children(node)
    return sides if len(sides) == 2 else (None, None)


def _check_compound(finding, node):
    left, right = _operands(node)
    if left is None:
        return
    given = _scalar(_bare(right).type)
    if _scalar(left.type) == "bfloat" and given in ("float", "half"):
        finding(node, "bfloat-conversion", f"a {given} does not become a bfloat unasked")


def _scalar(type_):
    name = diagnostics.words(type_.get_canonical().spelling)
    for qualifier in ("const ", "device ", "constant ", "threadgroup ", "volatile "):
        name = name.replace(qualifier, "")
    return {"_Float16": "half"}.get(name, name)


def _bits(type_):
    return _INTEGERS.get(type_.get_canonical().kind.name, 0)


def _bare(node):
    """An expression without the brackets around it and what clang adds unseen."""
    while node.kind in (cindex.CursorKind.PAREN_EXPR, cindex.CursorKind.UNEXPOSED_EXPR):
        inner = first(node)
        if inner is None:
            return node
        node = inner
    return node


def _is_run_time_product(node):
    """Whether a sum has a summand that multiplies two values which are not known before the kernel runs."""
    return any(sum(value(factor) is None for factor in _parts(summand, "*")) > 1 for summand in _parts(node, "+-"))


def _parts(node, signs):
    """What a chain of operators, `a + b - c`, is made of."""
    waiting = [node]
    while waiting:
        node = _bare(waiting.pop())
        if node.kind == cindex.CursorKind.BINARY_OPERATOR and operator(node) in tuple(signs):
            waiting += children(node)
        else:
            yield node
