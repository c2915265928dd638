"""Programs: OpenCL source compiled once a machine, kept on disk, found again by content."""

import ctypes
import hashlib
import os
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import CompileError
from .library import check, library, lock

INCLUDE = Path(__file__).parent / "include"
_OPTIONS = "-cl-std=CLC++2021 -cl-single-precision-constant"
_DRIVER_VERSION, _DEVICE_NAME = 0x102D, 0x102B
_BUILD_LOG, _BINARY_SIZES, _BINARIES = 0x1183, 0x1165, 0x1166


@dataclass
class Counts:
    """What this process has done: programs compiled, programs taken from disk, kernels launched."""

    compiled: int = 0
    loaded: int = 0
    launched: int = 0


counts = Counts()


def kernel(source, name):
    """The cl_kernel `k` of a source text, compiled or taken from the cache on disk.

    `name` is what a CompileError calls it.
    """
    with lock:
        path = cache_folder() / _key(source)
        program = _from_disk(path)
        if program is None:
            program = _compile(source, name)
            _to_disk(path, program)
        status = ctypes.c_int()
        handle = library().clCreateKernel(program, b"k", ctypes.byref(status))
        check("clCreateKernel", status.value)
        return handle


def cache_folder():
    """Where compiled programs lie: LOADER_CACHE, or the user's cache folder."""
    base = os.environ.get("LOADER_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metal-recurrence" / "opencl"


def _key(source):
    return hashlib.sha256(f"{_machine()}\0{source}".encode()).hexdigest()


@cache
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


def _compile(source, name):
    text = (ctypes.c_char_p * 1)(source.encode())
    status = ctypes.c_int()
    program = library().clCreateProgramWithSource(library().context, 1, text, None, ctypes.byref(status))
    check("clCreateProgramWithSource", status.value)
    if _build(program, f"{_OPTIONS} -I {INCLUDE}") != 0:
        raise CompileError(f"[{name}] does not compile:\n{_log(program)}")
    counts.compiled += 1
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


def _from_disk(path):
    """The program in a cache file, or None where there is none that this driver takes."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, binary = content[:32], content[32:]
    if hashlib.sha256(binary).digest() != digest:
        return None
    status, accepted = ctypes.c_int(), ctypes.c_int()
    data = ctypes.cast(ctypes.c_char_p(binary), ctypes.c_void_p)
    program = library().clCreateProgramWithBinary(
        library().context,
        1,
        library().devices,
        (ctypes.c_size_t * 1)(len(binary)),
        (ctypes.c_void_p * 1)(data),
        ctypes.byref(accepted),
        ctypes.byref(status),
    )
    if status.value != 0 or _build(program, _OPTIONS) != 0:
        return None
    counts.loaded += 1
    return program


def _to_disk(path, program):
    """Keep a compiled program; a cache that cannot be written only costs time."""
    size = ctypes.c_size_t()
    get = library().clGetProgramInfo
    check("clGetProgramInfo", get(program, _BINARY_SIZES, ctypes.sizeof(size), ctypes.byref(size), None))
    binary = ctypes.create_string_buffer(size.value)
    pointer = (ctypes.c_void_p * 1)(ctypes.addressof(binary))
    check("clGetProgramInfo", get(program, _BINARIES, ctypes.sizeof(pointer), pointer, None))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written aside and moved, so that no other process reads half of it.
        aside = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        aside.write_bytes(hashlib.sha256(binary.raw).digest() + binary.raw)
        os.replace(aside, path)
    except OSError:
        pass
