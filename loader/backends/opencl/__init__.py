"""x86-64 Linux CPUs: the same Metal source, compiled as C++ for OpenCL by Intel's CPU runtime."""

import mlx.core as mx

from .cache import clear as clear_cache
from .kernel import Kernel
from .library import find_library, refuse_fork
from .program import counts

__all__ = ["LAZY", "NAME", "Kernel", "build", "clear_cache", "counts", "missing", "ready"]

NAME = "opencl"
LAZY = False


def missing():
    return find_library()[1]


def build(name, input_names, output_names, source, header):
    return Kernel(name, input_names, output_names, source, header)


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
