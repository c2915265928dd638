"""mlx-lm's kernels, made by loader.metal_kernel, and the cases that compare them."""

import ast
import contextlib
import functools
import importlib
import importlib.util
import sys
from pathlib import Path

import mlx.core as mx
import pytest
import references

import loader
from loader import testing
from loader.expression import DTYPES

# Bounds on rms(got - want) / rms(want), as for the project's own ops.
BOUNDS = {DTYPES[name]: bound for name, bound in testing.BOUNDS.items()}
KERNELS = {}
CASES = []

validates = pytest.mark.skipif(loader.backend() != "opencl", reason="the opencl engine validates")


class Kernel:
    """A kernel of mlx-lm's, plain and validating: `validate` says which a call runs."""

    def __init__(self, site, options):
        self.site, self.options = site, options
        self.plain = loader.metal_kernel(**options, validate=False)
        self.validate, self.calls = False, 0

    @functools.cached_property
    def checked(self):
        return loader.metal_kernel(**self.options, validate=True)

    def __call__(self, **call):
        self.calls += 1
        return (self.checked if self.validate else self.plain)(**call)


def metal_kernel(**options):
    """In place of mx.fast.metal_kernel: the kernel is in KERNELS afterwards, with the call site that made it."""
    caller = sys._getframe(1)
    kernel = KERNELS[options["name"]] = Kernel((caller.f_code.co_filename, caller.f_lineno), options)
    return kernel


@contextlib.contextmanager
def on_metal():
    """mlx-lm makes its kernels, and calls most of them, only where MLX says that the device is Apple's GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mx.fast, "metal_kernel", metal_kernel)
        patch.setattr(mx.metal, "is_available", lambda: True)
        patch.setattr(mx, "default_device", lambda: mx.gpu)
        yield


@contextlib.contextmanager
def validating(kernel):
    """Calls of a kernel inside are validated."""
    kernel.validate = True
    try:
        yield
    finally:
        kernel.validate = False


@functools.cache
def sites():
    """(file, line) of every call of mx.fast.metal_kernel in mlx-lm."""
    root = Path(importlib.util.find_spec("mlx_lm").origin).parent
    found = []
    for path in sorted(root.rglob("*.py")):
        source = path.read_text()
        if "metal_kernel" in source:
            calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
            found += [(str(path), c.lineno) for c in calls if ast.unparse(c.func) == "mx.fast.metal_kernel"]
    return found


def load():
    """Import every module of mlx-lm that makes kernels; importing makes them."""
    root = Path(importlib.util.find_spec("mlx_lm").origin).parents[1]
    with on_metal():
        for path in dict.fromkeys(path for path, _ in sites()):
            importlib.import_module(".".join(Path(path).relative_to(root).with_suffix("").parts))


def case(kernel, *dtypes):
    """Declare a function of a dtype as the case of a kernel: it returns what the kernel gives and what is wanted."""

    def declare(compare):
        CASES.extend((kernel, dtype, compare) for dtype in dtypes or BOUNDS)
        return compare

    return declare


def name(value):
    """How a part of a case is called in the test's name."""
    return str(value).removeprefix("mlx.core.") if isinstance(value, (str, mx.Dtype)) else ""


def normal(*shape, dtype=mx.float32):
    return mx.random.normal(shape).astype(dtype)


def uniform(*shape, dtype=mx.float32):
    return mx.random.uniform(shape=shape).astype(dtype)


def single(*arrays):
    """The same values in float32: in what a reference computes."""
    return [x.astype(mx.float32) for x in arrays]


def assert_close(got, want, dtype):
    """Each array within the bound of a dtype; integers exactly."""
    for x, y in zip(got, want, strict=True):
        references.assert_close(x, y, bound=BOUNDS[dtype] if mx.issubdtype(x.dtype, mx.floating) else 0)
