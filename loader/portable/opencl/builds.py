"""Builds of units: binaries taken from the cache, or compiled side by side by as many processes as there are cores."""

import hashlib
import os
import threading
from dataclasses import dataclass
from functools import cache as once
from functools import cached_property
from pathlib import Path

from ...errors import CompileError
from .. import LIBRARY, NAMES, dialect
from . import cache, diagnostics, mend, quick
from .child import Child, Ended
from .compiler import LLVM_OPTIONS, OPTIONS, environment
from .library import library
from .progress import Progress

_DRIVER_VERSION, _DEVICE_NAME = 0x102D, 0x102B


@dataclass
class Counts:
    """What this process has done: programs compiled, programs taken from disk, kernels launched."""

    compiled: int = 0
    loaded: int = 0
    launched: int = 0


counts = Counts()
_counting = threading.Lock()


@dataclass(frozen=True)
class Build:
    """One way to compile a unit; `name` is what errors call its kernel."""

    unit: str
    name: str
    quick: bool = False

    @cached_property
    def text(self):
        return quick.rewrite(self.unit) if self.quick else self.unit

    @cached_property
    def key(self):
        options = quick.LLVM_OPTIONS if self.quick else LLVM_OPTIONS
        return hashlib.sha256(f"{_machine()}\0{options}\0{self.text}".encode()).hexdigest()

    def kept(self):
        """The binary from the cache, or None."""
        return cache.get(self.key)

    def compile(self, compiler):
        """The binary from a compiler's process, unless another process put it into the cache meanwhile. Raises
        CompileError."""
        with cache.alone(self.key):
            binary = kept = self.kept()
            if not kept:
                binary = self._compile(compiler)
                cache.put(self.key, binary)
        with _counting:
            counts.compiled += not kept
            counts.loaded += bool(kept)
        return binary

    def _compile(self, compiler):
        try:
            _, binary = compiler.ask(self.text)
        except CompileError as error:
            raise CompileError(f"[{self.name}] does not compile:\n{diagnostics.shorten(str(error))}") from None
        except Ended as how:
            raise CompileError(
                f"[{self.name}] ended the compiler ({how}); it nests too deep or is too large: use smaller expressions."
            ) from None
        return binary


def first(unit, name, quickly):
    """The build to run a unit with at once: quick, unless that is not allowed or the optimised one is kept or compiles
    in seconds."""
    optimised = Build(unit, name)
    if (
        not quickly
        or quick.mode() == "optimised"
        or not quick.pays(unit)
        or (quick.is_replaced(unit) and cache.has(optimised.key))
    ):
        return optimised
    return Build(unit, name, quick=True)


def compiled(builds):
    """The binary of every build, compiled now and side by side. Raises CompileError."""
    # The longest first, so that none is left alone at the end.
    made, errors, waiting = {}, [], sorted(builds, key=lambda build: len(build.unit))

    def work(pool):
        while waiting and not errors:
            try:
                build = waiting.pop()
            except IndexError:
                return
            try:
                with progress.of(build.name):
                    made[build] = _one(build, pool)
            except BaseException as error:
                errors.append(error)

    with Progress(len(builds)) as progress:
        helpers = [threading.Thread(target=work, args=(pool,)) for pool in _pools()[1 : len(builds)]]
        for helper in helpers:
            helper.start()
        work(_pools()[0])
        for helper in helpers:
            helper.join()
    if errors:
        raise errors[0]
    return made


def _one(build, pool):
    """A build's binary; where the compiler refuses to be quick, the unit as it stands."""
    if build.quick:
        try:
            return build.compile(pool["quick"])
        except CompileError:
            pass
    return Build(build.unit, build.name).compile(pool["optimised"])


@once
def _pools():
    """The compilers' processes, a pair for each core; they start when needed."""
    ways = {"quick": environment(quick.LLVM_OPTIONS), "optimised": environment()}
    cores = range(len(os.sched_getaffinity(0)))
    return [{way: Child("compiler", variables) for way, variables in ways.items()} for _ in cores]


@once
def _machine():
    """All that decides a binary but the unit: options, driver, CPU flags, the headers and how errors are mended."""
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "")
    folders = (dialect("opencl"), dialect("clang"), LIBRARY, NAMES)
    headers = [path.read_text() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    device = [library().device_text(what) for what in (_DRIVER_VERSION, _DEVICE_NAME)]
    rules = Path(mend.__file__).read_text()
    return hashlib.sha256("\0".join([OPTIONS, flags, *device, *headers, rules]).encode()).hexdigest()


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
