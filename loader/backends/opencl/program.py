"""OpenCL programs of units, and the kernels in them."""

import ctypes
import threading

from ...errors import BackendError, CompileError
from . import builds, optimise, quick
from .builds import Build, counts
from .compiler import OPTIONS
from .library import check, library, lock

__all__ = ["Program", "binary", "counts", "create", "get", "load", "prepare"]

_LOCAL_MEMORY = 0x11B2
# What a threadgroup may hold on every Apple GPU.
_THREADGROUP_BYTES = 32 * 1024
_programs = {}


class Program:
    """The program of a unit. `version` grows when an optimised build takes the place of a quick one."""

    def __init__(self, unit, name):
        self.name, self.version = name, 0
        self._optimised = Build(unit, name)
        self._build = builds.first(unit, name)
        self._loaded, self._lock = None, threading.Lock()

    @property
    def build(self):
        """The build to run with, or None once it is loaded."""
        return None if self._loaded else self._build

    def load(self, binary=None):
        """Load the program, from its binary where that is at hand. Raises CompileError."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._from_disk() if binary is None else load(binary)
                if self._build.quick and quick.mode() == "auto":
                    optimise.later(self)

    def kernel(self):
        """A new cl_kernel. Raises CompileError where it takes more threadgroup memory than Metal has."""
        self.load()
        return create(self._loaded, self.name)

    def optimise(self, compiler):
        """Compile the optimised build and put it in the place of the quick one."""
        loaded = load(self._optimised.kept() or self._optimised.compile(compiler))
        with lock:
            self._loaded = loaded
            self.version += 1

    def _from_disk(self):
        binary = self._build.kept()
        if binary is not None:
            try:
                loaded = load(binary)
            except BackendError:
                # Kept by a driver that this one does not understand.
                pass
            else:
                counts.loaded += 1
                return loaded
        return load(builds.compiled([self._build])[self._build])


def get(unit, name):
    """The program of a unit, compiled when its first kernel is made."""
    with lock:
        if unit not in _programs:
            _programs[unit] = Program(unit, name)
        return _programs[unit]


def prepare(units):
    """Compile the programs of `(unit, name)` pairs side by side. Raises CompileError."""
    programs = [program for program in dict.fromkeys(get(*pair) for pair in units) if program.build]
    missing = {program: program.build for program in programs if not program.build.kept()}
    if len(missing) > 1:
        for program, binary in zip(missing, builds.binaries(missing.values())):
            program.load(binary)


def binary(unit, name):
    """The binary of a unit, for a process that does not compile."""
    return builds.binaries([builds.first(unit, name)])[0]


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
    get_info = library().clGetKernelWorkGroupInfo
    check(
        "clGetKernelWorkGroupInfo", get_info(handle, library().devices[0], _LOCAL_MEMORY, 8, ctypes.byref(size), None)
    )
    if size.value > _THREADGROUP_BYTES:
        raise CompileError(
            f"[{name}] expected at most {_THREADGROUP_BYTES} bytes of threadgroup memory, what Apple GPUs have, "
            f"but the kernel declares {size.value}; use smaller threadgroup arrays."
        )
    return handle
