"""OpenCL programs of units, and the kernels in them."""

import ctypes

from ...errors import BackendError, CompileError
from . import builds, cache, optimise, quick
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

    def __init__(self, unit, name, quickly):
        self.name, self.version = name, 0
        self._optimised = Build(unit, name)
        self._build = builds.first(unit, name, quickly)
        self._loaded = None

    def missing(self, best):
        """The build that is still to be compiled, or None; with `best` the optimised one."""
        build = self._optimised if best and quick.is_replaced(self._optimised.unit) else self._build
        loaded = self._loaded and build is self._build
        return None if loaded or build.kept() else build

    def load(self):
        """Load the program, compiled now if the cache lacks it. Raises CompileError."""
        with lock:
            if self._loaded is None:
                self._run(self._build, self._from_disk() or load(builds.compiled([self._build])[self._build]))

    def run(self, build, binary):
        """Run this build's binary from now on."""
        loaded = load(binary)
        with lock:
            self._run(build, loaded)

    def _run(self, build, loaded):
        self._build, self._loaded = build, loaded
        self.version += 1
        if build.quick and quick.is_replaced(build.unit):
            optimise.later(self)

    def kernel(self):
        """A new cl_kernel. Raises CompileError where it takes more threadgroup memory than Metal has."""
        self.load()
        return create(self._loaded, self.name)

    def optimise(self, compiler):
        """Run the optimised build from now on, if it is the better one; `compiler` makes it if the cache lacks it."""
        if self._build is not self._optimised and quick.is_replaced(self._optimised.unit):
            self.run(self._optimised, self._optimised.kept() or self._optimised.compile(compiler))

    def _from_disk(self):
        """The program from the cache, or None where it has none that this driver takes."""
        binary = self._build.kept()
        if binary is None:
            return None
        try:
            loaded = load(binary)
        except BackendError:
            cache.drop(self._build.key)
            return None
        counts.loaded += 1
        return loaded


def get(unit, name, quickly=False):
    """The program of a unit, compiled when its first kernel is made; `quickly` allows a quick build."""
    with lock:
        if (unit, quickly) not in _programs:
            _programs[unit, quickly] = Program(unit, name, quickly)
        return _programs[unit, quickly]


def prepare(units, best=False):
    """Compile what the programs of units lack, side by side: their first builds, or with `best` the optimised ones.

    `units` are the arguments of `get`. Raises CompileError.
    """
    programs = dict.fromkeys(get(*each) for each in units)
    missing = {program: build for program in programs if (build := program.missing(best))}
    made = builds.compiled(missing.values()) if missing else {}
    for program, build in missing.items():
        program.run(build, made[build])
    for program in programs if best else ():
        program.optimise(None)


def binary(unit, name, quickly):
    """The binary of a unit, for a process that does not compile."""
    build = builds.first(unit, name, quickly)
    return build.kept() or builds.compiled([build])[build]


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
