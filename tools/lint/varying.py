"""Which values differ between the threads of a group: what a kernel computes from its thread's position."""

import re

from .attributes import VARYING
from .clang import children, cindex, operator

_ACROSS_SIMD = re.compile(r"simd_(sum|product|max|min|and|or|xor|all|any|ballot|broadcast|broadcast_first)$")
_LOOPS = ("FOR_STMT", "WHILE_STMT", "DO_STMT")


class Varying:
    """The varying variables of one function. With `in_simd` those that differ inside a simdgroup, else inside a
    threadgroup. `kernels` are the functions that get a thread's position, `given` the numbers of the parameters for
    which some caller passes a varying value."""

    def __init__(self, body, in_simd, kernels, given):
        self._text, self._in_simd, self.given = body.source.prepass.text, in_simd, given
        # What lies in threadgroup memory is the same for all, after the barrier that a read of it needs.
        self._shared = body.source.prepass.shared
        # Variables by the hash of their declaration: loops all count in an `i` of their own.
        names = _seeds(body.cursor, kernels, in_simd)
        parameters = body.parameters if names or given else ()
        self.names = {node.hash for i, node in enumerate(parameters) if node.spelling in names or i in given}
        before = None
        while self.names and before != len(self.names):
            before = len(self.names)
            self._spread(body.cursor)

    def has(self, node):
        """Whether an expression's value may differ between threads."""
        kinds, waiting = cindex.CursorKind, [node]
        while waiting:
            node = waiting.pop()
            if node.kind == kinds.DECL_REF_EXPR:
                if _declared(node) in self.names and not self._is_outer_axis(node):
                    return True
            elif not (self._in_simd and node.kind == kinds.CALL_EXPR and _ACROSS_SIMD.match(node.spelling)):
                waiting += children(node)
        return False

    def _is_outer_axis(self, node):
        """Whether this takes an axis of a position along which a group has one row."""
        end = node.extent.end.offset
        return self._text[end : end + 2] in ((".y", ".z") if self._in_simd else (".z",))

    def _spread(self, cursor):
        """Add what is computed from varying values, or assigned where only some threads come by."""
        kinds, waiting = cindex.CursorKind, [(cursor, False)]
        while waiting:
            node, diverged = waiting.pop()
            below = children(node)
            if node.kind == kinds.VAR_DECL:
                if any(self.has(child) for child in below):
                    self.names.add(node.hash)
            elif node.kind in (kinds.BINARY_OPERATOR, kinds.COMPOUND_ASSIGNMENT_OPERATOR) and len(below) == 2:
                if operator(node).endswith("=") and operator(node) not in ("==", "!=", "<=", ">="):
                    is_own = below[0].kind == kinds.DECL_REF_EXPR and below[0].spelling not in self._shared
                    if is_own and (diverged or self.has(below[1])):
                        self.names.add(_declared(below[0]))
            condition, inner = parts(node)
            diverged = diverged or any(self.has(part) for part in condition)
            waiting += [(child, diverged) for child in reversed((*condition, *inner))]


def _declared(node):
    """The hash of the declaration that a name refers to, or 0."""
    try:
        return node._declared
    except AttributeError:
        declared = node.referenced
        node._declared = declared.hash if declared is not None else 0
        return node._declared


def parts(node):
    """What decides whether a statement's inside runs, and the inside; of other nodes nothing and the children."""
    below = children(node)
    kind = node.kind.name
    if kind == "FOR_STMT":
        return below[:-1], below[-1:]
    if kind == "DO_STMT":
        return below[-1:], below[:-1]
    if kind in ("IF_STMT", "WHILE_STMT", "SWITCH_STMT", "CONDITIONAL_OPERATOR"):
        return below[:1], below[1:]
    if kind == "BINARY_OPERATOR" and operator(node) in ("&&", "||"):
        return below[:1], below[1:]
    return (), below


def is_loop(node):
    return node.kind.name in _LOOPS


def _seeds(cursor, kernels, in_simd):
    """The parameters of a kernel that hold the position of a thread."""
    names = set()
    for function in kernels:
        if function.name.text == cursor.spelling:
            for parameter in function.parameters:
                varying = set(parameter.attributes) & set(VARYING)
                if in_simd:
                    varying -= {"simdgroup_index_in_threadgroup"}
                if varying and parameter.name:
                    names.add(parameter.name.text)
    return names
