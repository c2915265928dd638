"""OpenCL programs: a unit compiled once a machine, then taken from the cache."""

import ctypes
import hashlib
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from ...errors import CompileError
from . import cache, diagnostics
from .library import check, library, lock

INCLUDE = Path(__file__).parent / "include"
_OPTIONS = "-cl-std=CLC++2021 -cl-single-precision-constant"
_DRIVER_VERSION, _DEVICE_NAME = 0x102D, 0x102B
_BUILD_LOG, _BINARY_SIZES, _BINARIES = 0x1183, 0x1165, 0x1166
_LOCAL_MEMORY = 0x11B2
# What a threadgroup may hold on every Apple GPU.
_THREADGROUP_BYTES = 32 * 1024


@dataclass
class Counts:
    """What this process has done: programs compiled, programs taken from disk, kernels launched."""

    compiled: int = 0
    loaded: int = 0
    launched: int = 0


counts = Counts()
_programs = {}


def kernel(source, name):
    """A new cl_kernel `k` of a unit; `name` is what errors call it.

    Raises CompileError where the unit does not compile, or takes more threadgroup memory than Metal has.
    """
    with lock:
        key = hashlib.sha256(f"{_machine()}\0{source}".encode()).hexdigest()
        if key not in _programs:
            _programs[key] = _from_disk(key) or _compile(key, source, name)
        status = ctypes.c_int()
        handle = library().clCreateKernel(_programs[key], b"k", ctypes.byref(status))
        check("clCreateKernel", status.value)
        _check_threadgroup_memory(handle, name)
        return handle


def _check_threadgroup_memory(handle, name):
    size = ctypes.c_ulong()
    get = library().clGetKernelWorkGroupInfo
    check("clGetKernelWorkGroupInfo", get(handle, library().devices[0], _LOCAL_MEMORY, 8, ctypes.byref(size), None))
    if size.value > _THREADGROUP_BYTES:
        raise CompileError(
            f"[{name}] expected at most {_THREADGROUP_BYTES} bytes of threadgroup memory, what Apple GPUs have, "
            f"but the kernel declares {size.value}; use smaller threadgroup arrays."
        )


@once
def _machine():
    """All that decides a binary but the kernel: options, driver, CPU flags and the headers."""
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    headers = [path.read_text() for path in sorted(INCLUDE.rglob("*")) if path.is_file()]
    device = [library().device_text(what) for what in (_DRIVER_VERSION, _DEVICE_NAME)]
    return hashlib.sha256("\0".join([_OPTIONS, flags, *device, *headers]).encode()).hexdigest()


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _compile(key, source, name):
    text = (ctypes.c_char_p * 1)(source.encode())
    status = ctypes.c_int()
    program = library().clCreateProgramWithSource(library().context, 1, text, None, ctypes.byref(status))
    check("clCreateProgramWithSource", status.value)
    if _build(program, f"{_OPTIONS} -I {INCLUDE}") != 0:
        raise CompileError(f"[{name}] does not compile:\n{diagnostics.shorten(_log(program))}")
    counts.compiled += 1
    cache.put(key, _binary(program))
    return program


def _build(program, options):
    return library().clBuildProgram(program, 1, library().devices, options.encode(), None, None)


def _log(program):
    size = ctypes.c_size_t()
    get = library().clGetProgramBuildInfo
    get(program, library().devices[0], _BUILD_LOG, 0, None, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, library().devices[0], _BUILD_LOG, size.value, text, None)
    return text.value.decode(errors="replace").strip()


def _from_disk(key):
    """The program kept under `key`, or None where there is none that this driver takes."""
    binary = cache.get(key)
    if binary is None:
        return None
    status, accepted = ctypes.c_int(), ctypes.c_int()
    program = library().clCreateProgramWithBinary(
        library().context,
        1,
        library().devices,
        (ctypes.c_size_t * 1)(len(binary)),
        (ctypes.c_void_p * 1)(ctypes.cast(ctypes.c_char_p(binary), ctypes.c_void_p)),
        ctypes.byref(accepted),
        ctypes.byref(status),
    )
    if status.value != 0 or _build(program, _OPTIONS) != 0:
        return None
    counts.loaded += 1
    return program


def _binary(program):
    size = ctypes.c_size_t()
    get = library().clGetProgramInfo
    check("clGetProgramInfo", get(program, _BINARY_SIZES, ctypes.sizeof(size), ctypes.byref(size), None))
    binary = ctypes.create_string_buffer(size.value)
    pointer = (ctypes.c_void_p * 1)(ctypes.addressof(binary))
    check("clGetProgramInfo", get(program, _BINARIES, ctypes.sizeof(pointer), pointer, None))
    return binary.raw
