"""NVRTC, CUDA's run-time compiler, as MLX calls it: it needs no GPU and no driver."""

import mlx.core as mx
import pytest

from tools import nvrtc
from tools.nvrtc import Refused, folder, kernel

__all__ = ["Recorder", "Refused", "compile", "compile_all", "folder", "kernel", "needed"]

needed = pytest.mark.skipif(nvrtc.folder() is None, reason="needs the extra nvrtc")


class Recorder:
    """Stands in for mx.fast.cuda_kernel: keeps the units that MLX would compile, by name, and returns zeros."""

    def __init__(self):
        self.units = {}

    def __call__(self, name, input_names, output_names, source, header="", ensure_row_contiguous=True):
        def run(inputs, output_shapes, output_dtypes, **_):
            text = kernel(name, input_names, inputs, output_names, output_dtypes, source)
            self.units[name] = header + text
            return [mx.zeros(shape, dtype) for shape, dtype in zip(output_shapes, output_dtypes)]

        return run


def compile(text, architecture="sm_90"):
    """The PTX of the text."""
    return nvrtc.compile(text, architecture)[0]


def compile_all(units, architecture="sm_90"):
    """As `compile`, of many kernels in one text."""
    return compile(nvrtc.join(units), architecture)
