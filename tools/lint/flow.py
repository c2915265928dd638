"""Rules about threads that part: barriers not all of them come by, and shared memory read too early."""

import re

from .clang import children, cindex, first, operator, value, walk
from .varying import is_loop, parts

_SIMD = re.compile(r"(simd|quad)_(?!is_|all|any|ballot|active)\w+$")


def check(finding, body, called):
    """Findings in the flow of one function; `called` are the Calls of its unit."""
    waits = {node.hash: in_simd for node, in_simd in called.waits(body)}
    simd_calls = [node for node, _, _ in body.calls if _SIMD.match(node.spelling)]
    for in_simd in (False, True):
        varying = called.varying(body, in_simd)
        if varying.names:
            barriers = {key for key, of_simd in waits.items() if of_simd == in_simd}
            _Divergence(finding, body, varying, barriers).check()
            if varying.given:
                continue
            if in_simd:
                _check_simd_return(finding, body, varying, simd_calls)
            else:
                _check_missing(finding, body, varying, set(waits))
    for node in simd_calls:
        argument = next(iter(node.get_arguments()), None)
        kind = argument.type.get_canonical().spelling.split()[-1] if argument is not None else "float"
        if "float" not in kind and kind != "T":
            finding(node, "simd-float", f"{node.spelling} of {kind}")


class _Divergence:
    """Walks the statements of a function and knows whether all threads are there."""

    def __init__(self, finding, body, varying, barriers):
        self._finding, self._body, self._varying, self._barriers = finding, body, varying, barriers
        self._at = [node.extent.start.offset for node, _ in body.nodes if node.hash in barriers]

    def check(self):
        if self._at:
            waiting = [(self._body.cursor, None, ())]
            while waiting:
                waiting += reversed(list(self._visit(*waiting.pop())))

    def _visit(self, node, diverged, loops):
        """What to visit next. `diverged` is the statement whose condition parted the threads, if any."""
        condition, inner = parts(node)
        if node.hash in self._barriers and diverged is not None:
            line = diverged.location.line
            self._finding(node, "barrier-divergent", f"{node.spelling} under the condition of line {line}")
        elif node.kind == cindex.CursorKind.RETURN_STMT and diverged is not None:
            if any(at > node.extent.start.offset for at in self._at) or any(self._inside(loop) for loop in loops):
                self._finding(diverged, "barrier-return", "some threads return here, before a barrier")
        elif node.kind.name in ("BREAK_STMT", "CONTINUE_STMT") and diverged is not None and loops:
            leaves = node.kind.name == "BREAK_STMT"
            after = 0 if leaves else node.extent.start.offset
            if diverged.extent.start.offset > loops[-1].extent.start.offset and self._inside(loops[-1], after):
                self._finding(diverged, "barrier-divergent", "some threads go on here, and a barrier is in the loop")
        if any(self._varying.has(part) for part in condition):
            diverged = node
        if is_loop(node):
            loops = (*loops, node)
        for child in (*condition, *inner):
            yield child, diverged, loops

    def _inside(self, loop, after=0):
        return any(max(after, loop.extent.start.offset) < at < loop.extent.end.offset for at in self._at)


def _check_simd_return(finding, body, varying, simd_calls):
    last = max((node.extent.start.offset for node in simd_calls), default=0)
    for node, diverged in _under(body.cursor, varying):
        if node.kind == cindex.CursorKind.RETURN_STMT and diverged is not None and node.extent.start.offset < last:
            finding(diverged, "simd-return", "some threads return here, before a simd operation")
            if _is_bound_at_run_time(diverged):
                finding(diverged, "simd-partial", "some threads of a simdgroup return here, before a simd operation")


def _is_bound_at_run_time(statement):
    """Whether a condition compares with what is not known before the kernel runs."""
    comparisons = [
        node
        for part in parts(statement)[0]
        for node, _ in walk(part)
        if node.kind == cindex.CursorKind.BINARY_OPERATOR and operator(node) in ("<", ">", "<=", ">=")
    ]
    return any(all(value(side) is None for side in children(node)) for node in comparisons)


def _check_missing(finding, body, varying, barriers):
    """A slot of threadgroup memory that another thread wrote is read with no barrier in between."""

    def text(node):
        return " ".join(body.source.prepass.text[node.extent.start.offset : node.extent.end.offset].split())

    under = _under(body.cursor, varying)
    # By the words of the condition: two statements may let the same threads through.
    alone = {node.hash: [*map(text, parts(diverged)[0])] for node, diverged in under if diverged is not None}
    written, read = {}, set()
    for _, what, node, name in sorted(_events(body, barriers), key=lambda event: event[:2]):
        slot = text(node)
        if what == "barrier":
            written.clear()
            read.clear()
        elif what == "write":
            written.setdefault(name, {})[slot] = node
        elif slot in read:
            # The thread has it for itself: it read it before it wrote another.
            continue
        elif any(
            _is_anothers(write, slot == at, node, varying, alone)
            for at, write in written.get(name, {}).items()
            if at.split("[")[:-1] == slot.split("[")[:-1]
        ):
            finding(node, "barrier-missing", f"{slot} is read, with no barrier since {name} was written")
            del written[name]
        elif "[" in slot and name not in written:
            read.add(slot)


def _under(cursor, varying):
    """(node, the statement under whose varying condition it stands, or None) of a tree, in order."""
    waiting = [(cursor, None)]
    while waiting:
        node, diverged = waiting.pop()
        yield node, diverged
        condition, inner = parts(node)
        within = node if any(varying.has(part) for part in condition) else diverged
        waiting += [(child, within) for child in reversed(inner)]
        waiting += [(child, diverged) for child in reversed(condition)]


def _is_anothers(write, same_slot, read, varying, alone):
    """Whether a thread may read what another wrote: to a slot each thread has of its own, or one thread for all."""
    if write.kind == cindex.CursorKind.ARRAY_SUBSCRIPT_EXPR:
        index = children(write)[-1]
        while index.kind == cindex.CursorKind.UNEXPOSED_EXPR and first(index) is not None:
            index = first(index)
        if varying.has(index):
            return not same_slot and index.kind == cindex.CursorKind.DECL_REF_EXPR
    return same_slot and write.hash in alone and alone.get(read.hash) != alone[write.hash]


def _events(body, barriers):
    """(offset, what, node, array) of barriers, and of reads and writes of threadgroup variables."""
    kinds, shared = cindex.CursorKind, body.source.prepass.shared
    written = set()
    for node, parent in body.nodes:
        if node.hash in barriers:
            yield node.extent.start.offset, "barrier", node, ""
        elif node.kind == kinds.BINARY_OPERATOR and operator(node) == "=":
            left = first(node)
            if left is not None and _name(left) in shared:
                written |= {inner.hash for inner, _ in walk(left)}
                yield node.extent.end.offset, "write", left, _name(left)
        elif node.kind in (kinds.ARRAY_SUBSCRIPT_EXPR, kinds.DECL_REF_EXPR) and node.hash not in written:
            inside = parent.kind in (kinds.ARRAY_SUBSCRIPT_EXPR, kinds.UNEXPOSED_EXPR, kinds.MEMBER_REF_EXPR)
            is_value = node.kind == kinds.ARRAY_SUBSCRIPT_EXPR or node.type.kind.name in _NUMBERS
            if is_value and _name(node) in shared and not (inside and parent.hash in written):
                yield node.extent.start.offset, "read", node, _name(node)


_NUMBERS = ("FLOAT", "HALF", "INT", "UINT", "BOOL")


def _name(node):
    """The variable that an expression such as `t`, `t[i]` or `t[i].x` is of."""
    while node.kind != cindex.CursorKind.DECL_REF_EXPR:
        inner = first(node)
        if inner is None:
            return ""
        node = inner
    return node.spelling
