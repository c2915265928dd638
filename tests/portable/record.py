"""A pytest plugin that records the kernels of tests and runs none: their text as MLX hands it to Apple's compiler.

`python -m pytest -p record FILES` writes {text: name of the first test with it} to the file that RECORD names.
"""

import json
import os
from pathlib import Path

import mlx.core as mx

import loader
from loader.portable import signature
from loader.portable.opencl import strict
from loader.portable.opencl.kernel import Kernel

_units = {}


class _Recorder:
    """Stands in for a kernel: keeps its text and returns zeros."""

    def __init__(self, name, input_names, output_names, source, header="", validate=None, **options):
        self._kernel = Kernel(name, input_names, output_names, source, header=header, **options)

    def __call__(self, *, inputs, output_shapes, output_dtypes, template=None, **_):
        arguments = [signature.Argument.of(x) for x in map(mx.array, inputs)]
        text = strict.unit(self._kernel, arguments, output_dtypes, template or ())
        _units.setdefault(text, os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0])
        return [mx.zeros(shape, dtype) for shape, dtype in zip(output_shapes, output_dtypes)]


def pytest_configure(config):
    loader.metal_kernel = _Recorder


def pytest_unconfigure(config):
    Path(os.environ["RECORD"]).write_text(json.dumps(_units))
