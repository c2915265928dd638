"""OpenCL programs: a unit compiled once a machine, then taken from the cache."""

import ctypes
import hashlib
from dataclasses import dataclass
from functools import cache as once
from functools import lru_cache
from pathlib import Path

from ...errors import BackendError, CompileError
from . import cache, diagnostics
from .child import Child, Ended
from .compiler import INCLUDE, OPTIONS
from .library import check, library, lock

_DRIVER_VERSION, _DEVICE_NAME = 0x102D, 0x102B
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
_compiler = Child("compiler")
_programs = {}


def kernel(source, name):
    """A new cl_kernel `k` of a unit; `name` is what errors call it.

    Raises CompileError where the unit does not compile, or takes more threadgroup memory than Metal has.
    """
    with lock:
        key = _key(source)
        if key not in _programs:
            _programs[key] = _from_disk(key) or load(_compile(key, source, name))
        return create(_programs[key], name)


@lru_cache(maxsize=64)
def binary(source, name):
    """The binary of a unit, for a process that does not compile."""
    key = _key(source)
    return cache.get(key) or _compile(key, source, name)


def load(binary):
    """The program of a binary. Raises BackendError where the driver refuses it."""
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
    check("clCreateProgramWithBinary", status.value)
    check("clBuildProgram", library().clBuildProgram(program, 1, library().devices, OPTIONS.encode(), None, None))
    return program


def create(program, name):
    """A cl_kernel of a program. Raises CompileError where it takes more threadgroup memory than Metal has."""
    status = ctypes.c_int()
    handle = library().clCreateKernel(program, b"k", ctypes.byref(status))
    check("clCreateKernel", status.value)
    size = ctypes.c_ulong()
    get = library().clGetKernelWorkGroupInfo
    check("clGetKernelWorkGroupInfo", get(handle, library().devices[0], _LOCAL_MEMORY, 8, ctypes.byref(size), None))
    if size.value > _THREADGROUP_BYTES:
        raise CompileError(
            f"[{name}] expected at most {_THREADGROUP_BYTES} bytes of threadgroup memory, what Apple GPUs have, "
            f"but the kernel declares {size.value}; use smaller threadgroup arrays."
        )
    return handle


def _from_disk(key):
    """The program kept under `key`, or None where there is none that this driver takes."""
    binary = cache.get(key)
    if binary is None:
        return None
    try:
        program = load(binary)
    except BackendError:
        return None
    counts.loaded += 1
    return program


def _compile(key, source, name):
    try:
        _, binary = _compiler.ask(source)
    except CompileError as error:
        raise CompileError(f"[{name}] does not compile:\n{diagnostics.shorten(str(error))}") from None
    except Ended as how:
        raise CompileError(
            f"[{name}] ended the compiler ({how}); it nests too deep or is too large: use smaller expressions."
        ) from None
    counts.compiled += 1
    cache.put(key, binary)
    return binary


def _key(source):
    return hashlib.sha256(f"{_machine()}\0{source}".encode()).hexdigest()


@once
def _machine():
    """All that decides a binary but the kernel: options, driver, CPU flags and the headers."""
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    headers = [path.read_text() for path in sorted(INCLUDE.rglob("*")) if path.is_file()]
    device = [library().device_text(what) for what in (_DRIVER_VERSION, _DEVICE_NAME)]
    return hashlib.sha256("\0".join([OPTIONS, flags, *device, *headers]).encode()).hexdigest()


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
