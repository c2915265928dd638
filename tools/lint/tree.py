"""Rules about types and declarations, on clang's tree of every function with its templates instantiated."""

import re
from collections import Counter

from . import calls, diagnostics, flow, unwritten, values
from .clang import children, cindex, first, walk
from .finding import Finding
from .guard import attempt
from .options import HEADERS

_CAST = re.compile(r"cast from .*(half.*__bf16|__bf16.*half)")
_GENERIC, _CONSTANT, _LOCAL, _GLOBAL = 5, 3, 2, 1
_SPACES = {_LOCAL: "threadgroup", _GLOBAL: "device"}
_GROUP_BYTES = 32 * 1024
# A template is looked at for so many of its instances: dtypes differ, and the rest repeats itself.
_MOST_INSTANCES = 3
_LEAVES = ("RETURN_STMT", "BREAK_STMT", "CONTINUE_STMT", "GOTO_STMT")
_LABELS = ("CASE_STMT", "DEFAULT_STMT", "LABEL_STMT")


def check(unit, source):
    """Findings in the tree of a unit."""
    kinds = cindex.CursorKind
    files = {str(source.path): source} | {str(path): s for path, s in source.includes.items()}

    # Clang leaves these casts out of its tree.
    casts = {_place(d) for d in unit.diagnostics if _CAST.search(d.spelling)}

    def finding(cursor, rule, message):
        location = cursor.location
        if rule == "bfloat-conversion" and _place(cursor) in casts:
            return
        origin = files.get(location.file.name if location.file else "")
        if origin is not None and location.line <= origin.text.count("\n") + 1:
            file, line = origin.place(location.line)
            column = origin.prepass.original(location.line, location.column)
            found.add(Finding(file, line, column, rule, diagnostics.words(message)))

    found = set()
    top = list(_declarations(unit.cursor, files))
    for cursor in top:
        if cursor.kind == kinds.VAR_DECL and _points_to_function(cursor.type):
            finding(cursor, "function-pointer", f"{cursor.spelling} is a pointer to a function")
        if cursor.kind == kinds.VAR_DECL and cursor.type.get_address_space() != _CONSTANT:
            finding(cursor, "program-scope", f"{cursor.spelling} is not constant")
        for member in children(cursor) if cursor.kind in _structs() else ():
            if member.kind == kinds.FIELD_DECL:
                _check_space(finding, member, member.type, member.spelling)
            if member.kind in (kinds.CXX_METHOD, kinds.CONSTRUCTOR, kinds.DESTRUCTOR):
                finding(member, "member-function", f"{member.spelling} is a member of {cursor.spelling}")
    bodies = _bodies(top, files)
    for body in bodies.values():
        found |= attempt(source.name, "tree", _check_body, finding, body)
        found |= attempt(source.name, "values", values.check, finding, body)
    found |= attempt(source.name, "calls", _check_threads, finding, bodies, source)
    found |= attempt(source.name, "recursion", _check_recursion, finding, bodies)
    return found


def _check_threads(finding, bodies, source):
    """How threads part does not depend on dtypes: one instance of each function tells."""
    called = calls.Calls(bodies, source)
    for body in called.bodies:
        yield from attempt(source.name, "flow", flow.check, finding, body, called)
        yield from attempt(source.name, "unwritten", unwritten.check, finding, body)


def _place(told):
    return told.location.file and told.location.file.name, told.location.line


def _declarations(cursor, files):
    """Declarations of our files, those in namespaces too."""
    for child in children(cursor):
        file = child.location.file
        if file is None or file.name not in files:
            continue
        if child.kind == cindex.CursorKind.NAMESPACE:
            yield from _declarations(child, files)
        else:
            yield child


def _structs():
    kinds = cindex.CursorKind
    return kinds.STRUCT_DECL, kinds.CLASS_DECL, kinds.CLASS_TEMPLATE


class Body:
    """A function with its template arguments in place, and the file it lies in."""

    def __init__(self, cursor, source):
        self.cursor, self.source = cursor, source
        self.place = calls.place(cursor)
        self.nodes = list(walk(cursor))
        self.parameters = [node for node in children(cursor) if node.kind == cindex.CursorKind.PARM_DECL]
        made = [node for node, _ in self.nodes if node.kind == cindex.CursorKind.CALL_EXPR]
        # (call, the function's cursor, its id)
        self.calls = [(node, to, _id(to)) for node in made for to in [node.referenced] if to is not None]


def _id(cursor):
    """What tells functions apart: of member functions for several address spaces clang's own id is one."""
    spaces = cursor.type.spelling if cursor.kind == cindex.CursorKind.CXX_METHOD else ""
    return cursor.get_usr() + spaces


def _bodies(top, files):
    """Every function of our files by its id: instances and what they call first, then what nothing reaches."""
    kinds = cindex.CursorKind
    functions = (kinds.FUNCTION_DECL, kinds.CXX_METHOD, kinds.FUNCTION_TEMPLATE, kinds.CONSTRUCTOR)
    aliases = [c for c in top if c.kind == kinds.TYPE_ALIAS_DECL and c.spelling.startswith("lint_")]
    waiting = [_instance(alias) for alias in aliases]
    waiting += [c for c in top if c.kind in functions and c.kind != kinds.FUNCTION_TEMPLATE]
    for struct in (c for c in top if c.kind in _structs()):
        waiting += [c for c in children(struct) if c.kind in functions]
    found, places = {}, Counter()
    templates = [c for c in top if c.kind == kinds.FUNCTION_TEMPLATE]
    for queue in (waiting, templates):
        while queue:
            cursor = queue.pop()
            if cursor is None or _id(cursor) in found or not cursor.is_definition() or _is_implicit(cursor):
                continue
            place = calls.place(cursor)
            if place[0] not in files or places[place] >= (1 if queue is templates else _MOST_INSTANCES):
                continue
            body = found[_id(cursor)] = Body(cursor, files[place[0]])
            places[place] += 1
            queue += [callee for _, callee, _ in body.calls]
    return found


def _is_implicit(cursor):
    """Whether the compiler makes this member of a struct: it lies where the struct's name does. So does the function
    of a lambda."""
    struct = cursor.semantic_parent
    return cursor.location.offset == struct.location.offset and not struct.spelling.startswith("(lambda")


def _instance(alias):
    """The function that `using lint_0 = decltype(k<float, 64>)` names."""
    for node, _ in walk(alias):
        if node.kind == cindex.CursorKind.DECL_REF_EXPR:
            return node.referenced
    return None


def _check_body(finding, body):
    kinds = cindex.CursorKind
    shared = 0
    if body.cursor.kind != kinds.CONSTRUCTOR:
        _check_space(finding, body.cursor, body.cursor.result_type, "what it returns")
    for node, _ in body.nodes:
        if node.kind in (kinds.VAR_DECL, kinds.PARM_DECL):
            _check_space(finding, node, node.type, node.spelling or "this parameter")
            size = _shared_bytes(node)
            shared += size
            if size and shared > _GROUP_BYTES:
                message = f"with {node.spelling} threadgroup memory comes to {shared} bytes, more than {_GROUP_BYTES}"
                finding(node, "threadgroup-size", message)
        elif node.kind in (kinds.CSTYLE_CAST_EXPR, kinds.CXX_REINTERPRET_CAST_EXPR):
            _check_space(finding, node, node.type, "this cast")
        elif node.kind == kinds.CALL_EXPR:
            _check_object(finding, node)
        elif node.kind == kinds.LAMBDA_EXPR:
            finding(node, "lambda", "a lambda")
        elif node.kind == kinds.COMPOUND_STMT:
            _check_end(finding, children(node))


def _check_end(finding, statements):
    """What follows a return, break or continue in the same block is never reached."""
    for statement, after in zip(statements, statements[1:]):
        if statement.kind.name in _LEAVES and after.kind.name not in _LABELS:
            finding(after, "unreachable", "this follows the statement that leaves the block")


def _check_space(finding, cursor, type_, what):
    """A pointer that was written without an address space points to OpenCL's generic one. None points to a function."""
    kinds = cindex.TypeKind
    if _points_to_function(type_):
        finding(cursor, "function-pointer", f"{what} is a pointer to a function")
        return
    while type_.kind in (kinds.POINTER, kinds.LVALUEREFERENCE):
        pointee = type_.get_pointee()
        is_to_pointer = type_.kind == kinds.LVALUEREFERENCE and pointee.kind == kinds.POINTER
        if pointee.get_address_space() == _GENERIC and not is_to_pointer:
            kind = "pointer" if type_.kind == kinds.POINTER else "reference"
            finding(cursor, "pointer-space", f"{what} is a {kind} without an address space")
            return
        type_ = pointee


def _points_to_function(type_):
    """Whether a type is a pointer to a function, or an array of such pointers."""
    kinds, type_ = cindex.TypeKind, type_.get_canonical()
    while type_.kind == kinds.CONSTANTARRAY:
        type_ = type_.element_type.get_canonical()
    is_pointer = type_.kind in (kinds.POINTER, kinds.LVALUEREFERENCE)
    return is_pointer and type_.get_pointee().get_canonical().kind == kinds.FUNCTIONPROTO


def _check_object(finding, call):
    """A member function without an address space takes objects of a thread alone; OpenCL's `this` is generic."""
    method, kinds = call.referenced, cindex.CursorKind
    if method is None or method.kind not in (kinds.CXX_METHOD, kinds.CONVERSION_FUNCTION):
        return
    if method.is_static_method() or not method.type.spelling.endswith("__generic"):
        return
    # Metal declares its own members for every space.
    if method.location.file and method.location.file.name.startswith(str(HEADERS)):
        return
    object_ = first(call)
    if object_.kind == kinds.MEMBER_REF_EXPR:
        object_ = first(object_)
    inner = object_ and first(object_)
    if inner is None or object_.type.get_address_space() != _GENERIC:
        return
    space = _SPACES.get(inner.type.get_address_space())
    if space:
        message = f"{method.spelling} is called on an object in {space} memory, and is not declared {space}"
        finding(call, "address-space", message)


def _shared_bytes(variable):
    pointee = variable.type.get_pointee()
    is_shared = variable.type.kind == cindex.TypeKind.LVALUEREFERENCE and pointee.get_address_space() == _LOCAL
    return max(0, pointee.get_size()) if is_shared and variable.kind == cindex.CursorKind.VAR_DECL else 0


def _check_recursion(finding, bodies):
    calls = {id_: {callee for _, _, callee in body.calls} for id_, body in bodies.items()}
    for id_, body in bodies.items():
        seen, waiting = set(), list(calls[id_])
        while waiting:
            callee = waiting.pop()
            if callee == id_:
                finding(body.cursor, "recursion", f"{body.cursor.spelling} calls itself")
                break
            if callee not in seen:
                seen.add(callee)
                waiting += calls.get(callee, ())
