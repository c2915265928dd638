"""`Emulator` in the place of mx.fast.cuda_kernel: kernels run at once, on NumPy."""

import mlx.core as mx
import numpy as np
import nvrtc

from . import launch, programs


class Emulator:
    """What it has no program for it compiles."""

    def __init__(self, programs=()):
        self.programs = list(programs)

    def __call__(self, name, input_names, output_names, source, header="", ensure_row_contiguous=True):
        def run(inputs, output_shapes, output_dtypes, grid, threadgroup, init_value=None, **_):
            # A name's digest tells apart all that is compiled; the compiler adds letters before and after.
            program = next((program for program in self.programs if name in program.name), None)
            if program is None:
                text = nvrtc.kernel(name, input_names, inputs, output_names, output_dtypes, source)
                (program,) = programs(nvrtc.compile(header + text))
                self.programs.append(program)
            given = []
            for input_name, x in zip(input_names, inputs):
                x = mx.contiguous(x) if ensure_row_contiguous else x
                given += [_reach(x), *_sizes(input_name, x, source)]
            outputs = [_start(shape, dtype, init_value) for shape, dtype in zip(output_shapes, output_dtypes)]
            blocks = tuple(-(-g // t) for g, t in zip(grid, threadgroup))
            if all(blocks):
                launch(program, blocks, threadgroup, given + outputs)
            return [_array(x, shape, dtype) for x, shape, dtype in zip(outputs, output_shapes, output_dtypes)]

        return run


def _sizes(name, x, source):
    """What MLX passes of an array's shape where the source asks for it."""
    if not x.ndim:
        return []
    strides = [stride // x.itemsize for stride in memoryview(x).strides]
    rest = [0] * (10 - x.ndim)
    sizes = {
        "shape": np.array([*x.shape, *rest], np.int32),
        "strides": np.array([*strides, *rest], np.int64),
        "ndim": np.array(x.ndim, np.int32),
    }
    return [size.tobytes() for kind, size in sizes.items() if f"{name}_{kind}" in source]


def _start(shape, dtype, init_value):
    """An output before the kernel runs: NaN, or numbers that none would write."""
    if init_value is not None:
        return _reach(mx.full(shape, init_value, dtype))
    return np.full(int(np.prod(shape)) * dtype.size, 0 if dtype == mx.bool_ else 0xFF, np.uint8)


def _reach(x):
    """The bytes that an array's strides reach."""
    # NumPy has no bfloat16; the type of the view has no part in the bytes.
    x = np.asarray(x.view(mx.uint16) if x.dtype == mx.bfloat16 else x)
    count = 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.strides)) // x.itemsize if x.size else 0
    return np.lib.stride_tricks.as_strided(x, (count,), (x.itemsize,)).view(np.uint8).copy()


def _array(x, shape, dtype):
    numbers = "uint16" if dtype == mx.bfloat16 else str(dtype).rpartition(".")[2].rstrip("_")
    found = mx.array(x.view(numbers).reshape(shape))
    return found.view(mx.bfloat16) if dtype == mx.bfloat16 else found
