"""The process that compiles: Intel's compiler ends it, and not the caller's, where a kernel is too much for it."""

import ctypes
import re

from ...errors import CompileError
from .library import check, library
from .mend import KEPT, mended

ONE_CORE = False
OPTIONS = "-cl-std=CLC++2021 -cl-single-precision-constant"
# From the folder of the dialect, where this process runs.
_HEADERS = "-I . -I ../../names"
# The vectorizer lays out arrays in memory by lane. Where loops stay loops it mixes up the addresses of such arrays, and
# numbers are wrong: this option keeps it from that.
LLVM_OPTIONS = "-vplan-enable-soa-phis=0"
# What a unit says before it includes the library where all its simdgroups are whole.
WHOLE = "#define MSL_WHOLE 1"
# What begins the line of a unit that lists the elementwise functions which the unit declares.
LISTED = "#define MSL_ELEMENTWISE"
_BY_THREADS = 'Kernel "k" was not vectorized'
_SIMDGROUPS = re.compile(r"\b(?:(?:simd|quad)_\w+|simdgroup_\w+)\s*[<(]")
_BUILD_LOG, _BINARY_SIZES, _BINARIES = 0x1183, 0x1165, 0x1166


def environment(options=LLVM_OPTIONS):
    """The environment of a process that compiles with these options of LLVM's."""
    return {"CL_CONFIG_LLVM_OPTIONS": options}


def answer(source, send):
    """The binary of a unit, mended where the compiler does not know Metal. Raises CompileError with the compiler's log
    of a unit that declares all functions, so that errors suggest the right name for a misspelt one."""
    try:
        return _compiled(source)
    except CompileError as error:
        if again := mended(source, str(error)):
            try:
                return answer(again, send)
            except CompileError as later:
                raise (error if KEPT in str(later) else later) from None
        if LISTED not in source:
            raise
        return _compiled(source.replace(LISTED, "#define MSL_LISTED", 1))


def _compiled(source):
    text = (ctypes.c_char_p * 1)(source.encode())
    status = ctypes.c_int()
    program = library().clCreateProgramWithSource(library().context, 1, text, None, ctypes.byref(status))
    check("clCreateProgramWithSource", status.value)
    try:
        if library().clBuildProgram(program, 1, library().devices, f"{OPTIONS} {_HEADERS}".encode(), None, None) != 0:
            raise CompileError(_log(program))
        used, log = _SIMDGROUPS.search(source), _log(program)
        if used and _BY_THREADS in log:
            raise CompileError(
                f"{used[0][:-1].strip()} needs 32 threads that run together, and Intel's compiler finds no way to run "
                f"this kernel other than a thread after another. Its log:\n{log}"
            )
        return _binary(program)
    finally:
        library().clReleaseProgram(program)


def _log(program):
    size = ctypes.c_size_t()
    get = library().clGetProgramBuildInfo
    get(program, library().devices[0], _BUILD_LOG, 0, None, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, library().devices[0], _BUILD_LOG, size.value, text, None)
    return text.value.decode(errors="replace").strip()


def _binary(program):
    size = ctypes.c_size_t()
    get = library().clGetProgramInfo
    check("clGetProgramInfo", get(program, _BINARY_SIZES, ctypes.sizeof(size), ctypes.byref(size), None))
    binary = ctypes.create_string_buffer(size.value)
    pointer = (ctypes.c_void_p * 1)(ctypes.addressof(binary))
    check("clGetProgramInfo", get(program, _BINARIES, ctypes.sizeof(pointer), pointer, None))
    return binary.raw
