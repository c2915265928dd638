"""libclang as a Metal front-end: C++ for OpenCL with our `metal_stdlib`."""

import ctypes
from functools import cache, cached_property

from .finding import LintError
from .options import FOLDERS

try:
    import clang.cindex as cindex
except ImportError:
    cindex = None


def _known(kinds, number):
    """The kind of a number; libclang has some, of _Float16 for one, that its Python package does not name."""
    if number >= len(kinds._kinds) or kinds._kinds[number] is None:
        setattr(kinds, f"UNKNOWN_{number}", kinds(number))
    return kinds._kinds[number]


if cindex:
    cindex.BaseEnumeration.from_id = classmethod(_known)

# The flags the editor needs too; compile_flags.txt has the same.
LANGUAGE = [
    "-xclcpp",
    "-cl-std=CLC++2021",
    "--target=aarch64-linux-gnu",
    "-cl-no-stdinc",
    "-nostdinc",
    "-cl-single-precision-constant",
    "-D__METAL__=1",
    "-Xclang",
    "-cl-ext=-cl_khr_fp64,-__opencl_c_fp64,+cl_khr_fp16,+__opencl_c_generic_address_space,"
    "+__cl_clang_function_pointers,+__cl_clang_variadic_functions,+__cl_clang_bitfields",
    "-Wno-unknown-attributes",
    "-Wno-duplicate-decl-specifier",
    "-Wno-c++11-narrowing",
    "-Wno-c99-designator",
    "-fdeclspec",
    "-Wno-null-dereference",
]
_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wno-sign-conversion",
    "-Wno-implicit-int-float-conversion",
    "-Wconditional-uninitialized",
    "-Wloop-analysis",
    "-Wcast-qual",
    "-Wtautological-unsigned-zero-compare",
    "-Wimplicit-fallthrough",
    "-Wcomma",
    "-Wno-pass-failed",
    "-Wno-missing-braces",
    "-Wno-unused-function",
    "-Wno-unknown-warning-option",
    "-Wno-unknown-pragmas",
    "-Wno-pragma-once-outside-header",
    "-ferror-limit=0",
]
# Of rules of style, by the thousand in a large file.
_STYLE = ["-Wno-implicit-int-conversion", "-Wno-sign-compare", "-Wno-shadow", "-Wno-unused-variable", "-Wno-cast-qual"]
_ERROR = 3
_PRELUDE = "mlx/backend/metal/kernels/utils.h"


def check_available():
    """Raise LintError where libclang cannot be had."""
    try:
        _index()
    except Exception as error:
        raise LintError(
            f"lint needs libclang 18 ({str(error).splitlines()[0]}): pip install 'metal-recurrence[lint]', or from a "
            "checkout pip install '.[lint]'"
        ) from None


@cache
def _index():
    if cindex is None:
        raise LintError("the Python package clang is missing")
    return cindex.Index.create()


def parse(source, instances=(), prelude=False):
    """The translation unit of a source with templates instantiated as `instances` say.

    Each instance is an alias at the end, `lint_0` and so on, through which its body is found.
    """
    declared = [f"template decltype({i}) {i};\nusing lint_{n} = decltype({i});" for n, i in enumerate(instances)]
    text = "\n".join([source.prepass.text, *declared, ""])
    files = [(str(source.path), text)]
    files += [(str(path), included.prepass.text) for path, included in source.includes.items()]
    arguments = [*LANGUAGE, *_WARNINGS, *(f"-isystem{folder}" for folder in FOLDERS)]
    # Apple's compiler reads it before a file too.
    arguments += ["-include", "metal_stdlib"]
    arguments += [f"-I{folder}" for folder in source.options.include]
    arguments += [f"-D{name}" for name in source.options.define]
    arguments += [] if source.options.style else _STYLE
    if prelude:
        arguments += ["-include", _PRELUDE]
    return _index().parse(str(source.path), args=arguments, unsaved_files=files)


if cindex:
    # Asked for once a node, and then no more than an attribute.
    cindex.Cursor.kind = cached_property(lambda cursor: cindex.CursorKind.from_id(cursor._kind_id))
    cindex.Cursor.kind.__set_name__(cindex.Cursor, "kind")


def children(node):
    """The children of a node, which libclang is asked for once."""
    try:
        return node._children
    except AttributeError:
        node._children = tuple(node.get_children())
        return node._children


def first(node):
    """The first child of a node, or None: an expression that clang could not make out has none."""
    return next(iter(children(node)), None)


def walk(cursor):
    """(node, its parent) of a tree, in order. No recursion: a sum of many terms is as deep as it is long."""
    waiting = [(cursor, None)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting += [(child, node) for child in reversed(children(node))]


def has_errors(unit):
    """Whether clang gave up on some part, so that what it says of the rest may follow from that."""
    return any(diagnostic.severity >= _ERROR for diagnostic in unit.diagnostics)


def value(cursor):
    """The value of an integer expression where clang can tell it, else None."""
    library = _evaluation()
    result = library.clang_Cursor_Evaluate(cursor)
    if not result:
        return None
    is_integer = library.clang_EvalResult_getKind(result) == 1
    found = library.clang_EvalResult_getAsLongLong(result) if is_integer else None
    library.clang_EvalResult_dispose(result)
    return found


@cache
def _evaluation():
    """libclang with the functions that its Python package leaves out."""
    library = cindex.conf.lib
    library.clang_Cursor_Evaluate.restype = ctypes.c_void_p
    library.clang_Cursor_Evaluate.argtypes = [cindex.Cursor]
    library.clang_EvalResult_getAsLongLong.restype = ctypes.c_longlong
    for function in ("getKind", "dispose", "getAsLongLong"):
        getattr(library, f"clang_EvalResult_{function}").argtypes = [ctypes.c_void_p]
    library.clang_getCursorBinaryOperatorKind.argtypes = [cindex.Cursor]
    library.clang_getCursorUnaryOperatorKind.argtypes = [cindex.Cursor]
    return library


def operator(cursor):
    """The operator of a binary expression, as written."""
    return _OPERATORS.get(_evaluation().clang_getCursorBinaryOperatorKind(cursor), "")


def unary_operator(cursor):
    """The operator of a unary expression, as written."""
    return _UNARY.get(_evaluation().clang_getCursorUnaryOperatorKind(cursor), "")


_UNARY = dict(enumerate("++ -- ++ -- & * + - ~ !".split(), start=1))
_OPERATORS = dict(
    enumerate(
        ".* ->* * / % + - << >> <=> < > <= >= == != & ^ | && || = *= /= %= += -= <<= >>= &= ^= |= ,".split(), start=1
    )
)
