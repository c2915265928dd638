"""A rule about threadgroup memory that is read before any thread can have written it."""

from collections import Counter

from .clang import children, cindex, operator, unary_operator, value
from .varying import is_loop, parts

_LOCAL = 2
# Expressions of the same memory as the operand's: a part of it, a pointer to it, or a pointer next to that.
_SAME = ("PAREN_EXPR", "UNEXPOSED_EXPR", "ARRAY_SUBSCRIPT_EXPR", "MEMBER_REF_EXPR", "CONDITIONAL_OPERATOR",
         "CSTYLE_CAST_EXPR", "CXX_STATIC_CAST_EXPR", "CXX_REINTERPRET_CAST_EXPR")  # fmt: skip
# Types of which a conversion takes no value out of memory.
_NO_VALUES = ("POINTER", "LVALUEREFERENCE", "RECORD", "CONSTANTARRAY", "INCOMPLETEARRAY", "DEPENDENT", "INVALID")
_GRAPHICS = {"vertex", "fragment"}


def check(finding, body):
    """Findings in the threadgroup memory of one function."""
    function = body.source.function_at(body.cursor)
    variables = _variables(body, function) if function else {}
    if not variables:
        return
    parents = {node.hash: parent for node, parent in body.nodes}
    uses = {}
    for node, _ in body.nodes:
        if node.kind == cindex.CursorKind.DECL_REF_EXPR and node.spelling in variables.values():
            declared = node.referenced
            if declared is not None and declared.hash in variables:
                uses.setdefault(declared.hash, []).append(_Use(node, parents))
    hidden = _hidden(body, function, set(variables.values()))
    for key, name in variables.items():
        read = None if name in hidden else _first_unwritten(uses.get(key, ()))
        if read is not None:
            finding(read.node, "threadgroup-unwritten", f"{name} is read, and no thread has written it")


def _variables(body, function):
    """{hash: name} of the threadgroup variables of a function, and of a kernel's threadgroup parameters."""
    kinds, found, prepass = cindex.CursorKind, {}, body.source.prepass
    # In a render pass threadgroup memory keeps what an earlier tile function wrote.
    takes_parameters = function.is_kernel and not any(token.text in _GRAPHICS for token in body.source.tokens)
    for node, _ in body.nodes:
        is_parameter = node.kind == kinds.PARM_DECL and takes_parameters
        is_variable = node.kind == kinds.VAR_DECL and node.spelling in prepass.shared - prepass.valued
        if is_parameter or is_variable:
            if _is_shared(node.type.get_pointee()):
                found[node.hash] = node.spelling
    return found


def _hidden(body, function, names):
    """The names that the text of a function has more often than clang's tree, which lacks what clang gave up on and
    what `if constexpr` leaves out."""
    kinds = cindex.CursorKind
    named = (kinds.DECL_REF_EXPR, kinds.VAR_DECL, kinds.PARM_DECL)
    seen = Counter(node.spelling for node, _ in body.nodes if node.kind in named)
    start, end = function.body
    written = Counter(token.text for token in body.source.tokens[start:end] if token.text in names)
    return {name for name in names if written[name] > seen[name]}


def _first_unwritten(uses):
    """The first use that reads what no use before it may have written, or None."""
    writes = [use for use in uses if use.what == "write"]
    for use in uses:
        if use.what in ("read", "update") and not any(_may_precede(write, use) for write in writes):
            return use
    return None


class _Use:
    """A use of a threadgroup variable. `what` is "read", "update" (read and written, as by +=), "none" (as in sizeof),
    or "write", which includes all that may write: a pointer to the memory is passed on or kept.
    `slot` holds the subscripts, None for those that are not constant; `above` the nodes around the use."""

    def __init__(self, node, parents):
        self.node, self.above = node, [node]
        while parents.get(self.above[-1].hash) is not None:
            self.above.append(parents[self.above[-1].hash])
        top = 0
        while _continues(*self.above[top : top + 2]):
            top += 1
        memory, above = self.above[top : top + 2]
        self.what, self.end = _what(memory, above), above.extent.end.offset
        is_assigned = operator(above) == "=" and children(above)[0].hash == memory.hash
        self.slot = _slot(self.above[1 : top + 1]) if self.what != "write" or is_assigned else ()


def _continues(node, above):
    """Whether the expression above is of the same threadgroup memory as a node, which is not read there."""
    if _reads(node, above):
        return False
    if above.kind.name == "UNARY_OPERATOR":
        return unary_operator(above) == "*"
    if above.kind.name == "BINARY_OPERATOR":
        return operator(above) in ("+", "-") and _points(above.type)
    return above.kind.name in _SAME and above.type.kind != cindex.TypeKind.VOID


def _reads(node, above):
    """Whether clang's unseen conversion of memory to its value is what stands above a node."""
    is_conversion = (
        above.kind.name == "UNEXPOSED_EXPR"
        and len(children(above)) == 1
        and _is_shared(node.type)
        and not _is_shared(above.type)
    )
    return is_conversion and above.type.get_canonical().kind.name not in _NO_VALUES


def _is_shared(type_):
    # Clang fails on the space of no type.
    return type_.kind != cindex.TypeKind.INVALID and type_.get_address_space() == _LOCAL


def _points(type_):
    return type_.get_canonical().kind.name in ("POINTER", "LVALUEREFERENCE")


def _what(node, above):
    """What the last expression of some threadgroup memory is there for, by the node above it."""
    kind = above.kind.name
    if _reads(node, above):
        return "read"
    if kind == "COMPOUND_ASSIGNMENT_OPERATOR" or (kind == "UNARY_OPERATOR" and unary_operator(above) in ("++", "--")):
        return "write" if _points(node.type) else "update"
    if kind == "CXX_UNARY_EXPR" or (kind == "CSTYLE_CAST_EXPR" and above.type.kind == cindex.TypeKind.VOID):
        return "none"
    if kind == "CALL_EXPR" and _is_constant(node.type):
        called = above.referenced
        return "read" if called is not None and called.kind == cindex.CursorKind.CONSTRUCTOR else "none"
    return "write"


def _is_constant(type_):
    return (type_.get_pointee() if type_.kind == cindex.TypeKind.POINTER else type_).is_const_qualified()


def _slot(above):
    """The values of the subscripts right above a variable."""
    slot = []
    for node in above:
        if node.kind == cindex.CursorKind.ARRAY_SUBSCRIPT_EXPR:
            slot.append(value(children(node)[-1]))
        elif node.kind != cindex.CursorKind.UNEXPOSED_EXPR:
            break
    return tuple(slot)


def _may_precede(write, read):
    """Whether a write may come before a read of the same element."""
    if any(None not in pair and pair[0] != pair[1] for pair in zip(write.slot, read.slot)):
        return False
    around = {node.hash for node in write.above}
    for i, node in enumerate(read.above):
        if node.hash in around:
            is_before = write.end <= read.node.extent.start.offset
            return is_before or any(map(is_loop, read.above[i:])) or _is_branch(read.above[i - 1], node)
        if node.kind.name == "LAMBDA_EXPR":
            return True
    return True


def _is_branch(part, statement):
    """Whether a part of a statement may run for some threads while the rest runs for others: it is no condition."""
    condition, inner = parts(statement)
    return bool(condition) and part.hash in [each.hash for each in inner]
