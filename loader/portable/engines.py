"""Engines that run kernels. Each is a module with the names that `Engine` lists, imported where it is asked for."""

import importlib
import os
import warnings
from typing import Protocol

from ..errors import BackendError


class Engine(Protocol):
    """What an engine's module offers."""

    NAME: str
    LAZY: bool
    """Whether kernels build graph nodes; an engine that is not lazy evaluates its inputs at the call."""

    def missing() -> str | None:
        """What the engine lacks to run here and how to get it, or None."""

    def build(name, input_names, output_names, source, header, resident=1):
        """A callable with the calling convention of mx.fast.metal_kernel's. `resident` threads are to fit one core at
        a time: an engine with a bound on registers sets it by this number, the others ignore it."""

    def prepare(launches, best=False):
        """Compile the kernels of these `plan.Launch`es, where the engine can before they run; `best` asks for the
        fastest code, whatever it takes to make."""

    def ready(arrays) -> bool:
        """Whether kernels can take these arrays now, on the current default device."""


# In the order of choice.
_NAMES = ("metal", "cuda", "opencl", "reference")


def engine(name):
    """The engine called `name`, whether it can run here or not."""
    return importlib.import_module(f".{name}", __package__)


def choose(name=None):
    """The engine called `name`, by default LOADER_BACKEND or else the first that can run here.

    Raises BackendError where the one that was asked for cannot run, saying what to do.
    """
    name = name or os.environ.get("LOADER_BACKEND") or _first()
    if name not in _NAMES:
        raise BackendError(f"[loader] expected LOADER_BACKEND to be one of {', '.join(_NAMES)} but got {name!r}.")
    missing = engine(name).missing()
    if missing:
        raise BackendError(f"[loader] the backend {name!r} cannot run here: {missing}")
    return engine(name)


def _first():
    *kernels, last = _NAMES
    reasons = []
    for name in kernels:
        missing = engine(name).missing()
        if missing is None:
            return name
        reasons.append(f"{name}: {missing}")
    warnings.warn(
        f"[loader] no engine can run kernels here, so ops run their plain-MLX reference, slowly. {' '.join(reasons)}",
        RuntimeWarning,
        stacklevel=4,
    )
    return last
