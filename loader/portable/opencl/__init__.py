"""x86-64 Linux CPUs: the same Metal source, compiled as C++ for OpenCL by Intel's CPU runtime."""

import mlx.core as mx

from .. import signature
from . import program
from .builds import counts
from .cache import clear as clear_cache
from .kernel import Kernel
from .library import find_library, refuse_fork

__all__ = ["LAZY", "NAME", "Kernel", "build", "clear_cache", "counts", "missing", "prepare", "ready"]

NAME = "opencl"
LAZY = False


def missing():
    return find_library()[1]


def build(name, input_names, output_names, source, header, resident=1):
    """The kernel of an op, which may be built quickly at first: its tests run quick builds."""
    return Kernel(name, input_names, output_names, source, header, quick=True)


def prepare(launches, best=False):
    """Compile side by side what the launches need: quick builds first, or with `best` the optimised ones."""
    program.prepare([_unit(launch) for launch in launches if not launch.kernel.validate], best)


def _unit(launch):
    arguments = tuple(signature.Argument.like(*given) for given in launch.given)
    made = launch.arguments
    template = tuple(made["template"])
    dtypes = tuple(made["output_dtypes"])
    unit = launch.kernel.unit(arguments, dtypes, made["grid"], made["threadgroup"], template)
    return unit, launch.kernel.name, launch.kernel.quick


def ready(arrays):
    """Kernels run at the call, so the inputs must have values: under compile, vmap and export they have none."""
    refuse_fork()
    if mx.default_device() != mx.Device(mx.cpu):
        return False
    try:
        mx.eval(arrays)
    except ValueError as error:
        if "function transformations" in str(error):
            return False
        raise
    return True
