"""A Metal kernel on the CPU: the calling convention of mx.fast.metal_kernel, run at the call."""

import ctypes
import itertools
import math
import re

import mlx.core as mx

from . import program, unit
from .library import check, library, lock, refuse_fork

# Data of MLX is aligned to 8 bytes; a kernel that loads vectors through pointers needs more.
_VECTOR_POINTER = re.compile(r"\b(?:u?(?:char|short|int|long)|half|float|bfloat)[234]\s*(?:const\s*)?\*|\bvec<")
_ALIGNMENT = 64


class Kernel:
    """Call it as one calls a kernel of mx.fast.metal_kernel's; it returns evaluated arrays."""

    def __init__(self, name, input_names, output_names, source, header="", atomic_outputs=False):
        self.name, self.source, self.header = name, source, header
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)
        self.atomic_outputs = atomic_outputs
        self._align = bool(_VECTOR_POINTER.search(header + source))
        self._sizes = [unit.sizes_read(source, name) for name in self.input_names]
        self._handles = {}

    def __call__(
        self, *, inputs, output_shapes, output_dtypes, grid, threadgroup, template=(), init_value=None, stream=None
    ):
        refuse_fork()
        inputs = [mx.contiguous(x) for x in inputs]
        outputs = [_output(shape, dtype, init_value) for shape, dtype in zip(output_shapes, output_dtypes)]
        mx.eval(inputs, outputs)
        boxes, nominal, whole = _boxes(grid, threadgroup)
        key = (
            tuple(map(unit.Argument.of, inputs)),
            tuple(output_dtypes),
            tuple(template or ()),
            nominal if whole else None,
        )
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = program.kernel(unit.write(self, *key), self.name)
        self._launch(handle, inputs, outputs, boxes, nominal, whole, grid)
        return outputs

    def _launch(self, handle, inputs, outputs, boxes, nominal, whole, grid):
        moved = [(array, _aligned(array)) for array in (*inputs, *outputs)] if self._align else []
        data = [copy for _, copy in moved] or [*inputs, *outputs]
        sizes = [_size_arrays(array, wanted) for array, wanted in zip(inputs, self._sizes)]
        pointers = []
        for i, array in enumerate(data):
            pointers.append(_address(array))
            pointers += map(_address, sizes[i]) if i < len(sizes) else ()
        with lock:
            set_pointer = library().clSetKernelArgSVMPointer
            for i, pointer in enumerate(pointers):
                check("clSetKernelArgSVMPointer", set_pointer(handle, i, pointer))
            for first, groups, threads in boxes:
                dispatch = (ctypes.c_int * 16)(*first, 0, *threads, 0, *nominal, 0, *grid, 0)
                size = ctypes.sizeof(dispatch)
                check("clSetKernelArg", library().clSetKernelArg(handle, len(pointers), size, dispatch))
                _enqueue(handle, groups, threads, whole)
            check("clFinish", library().clFinish(library().queue))
            program.counts.launched += 1
        for array, copy in moved[len(inputs) :]:
            if copy is not array:
                ctypes.memmove(_address(array), _address(copy), array.nbytes)


def _output(shape, dtype, init_value):
    return mx.empty(shape, dtype) if init_value is None else mx.full(shape, init_value, dtype)


def _boxes(grid, threadgroup):
    """The dispatch as boxes of equal groups: OpenCL knows no partial ones.

    Returns the boxes (first group, groups, threads of a group), the nominal threadgroup, and whether
    one box of whole simdgroups is all there is.
    """
    nominal = tuple(min(t, g) for t, g in zip(threadgroup, grid))
    axes = []
    for g, t in zip(grid, nominal):
        parts = [(0, g // t, t), (g // t, 1, g % t)]
        axes.append([part for part in parts if part[1] and part[2]])
    boxes = [tuple(zip(*box)) for box in itertools.product(*axes)]
    return boxes, nominal, len(boxes) == 1 and math.prod(nominal) % 32 == 0


def _enqueue(handle, groups, threads, whole):
    """Groups of (32, simdgroups) where they are whole, else linear ones; ids are derived in the unit."""
    n = math.prod(threads)
    local = (32, n // 32, 1) if whole else (n, 1, 1)
    sizes = (ctypes.c_size_t * 3)(*(g * n for g, n in zip(groups, local)))
    status = library().clEnqueueNDRangeKernel(
        library().queue, handle, 3, None, sizes, (ctypes.c_size_t * 3)(*local), 0, None, None
    )
    check("clEnqueueNDRangeKernel", status)


def _size_arrays(array, wanted):
    """The arrays behind `<input>_shape`, `_strides` and `_ndim`, of those that the body reads."""
    if not wanted or array.ndim == 0:
        return []
    strides = [math.prod(array.shape[i + 1 :]) for i in range(array.ndim)]
    values = {
        "shape": (ctypes.c_int * array.ndim)(*array.shape),
        "strides": (ctypes.c_int64 * array.ndim)(*strides),
        "ndim": ctypes.c_int(array.ndim),
    }
    return [values[size] for size in wanted]


def _address(array):
    """Where the data of an evaluated array, or of a ctypes array, lies; an empty one needs no place."""
    if not isinstance(array, mx.array):
        return ctypes.addressof(array)
    return ctypes.addressof(ctypes.c_char.from_buffer(array)) if array.size else None


def _aligned(array):
    """The array itself where its data is aligned for vector loads, else an aligned copy of the bytes."""
    address = _address(array)
    if address is None or address % 16 == 0:
        return array
    buffer = (ctypes.c_char * (array.nbytes + _ALIGNMENT))()
    start = -ctypes.addressof(buffer) % _ALIGNMENT
    copy = (ctypes.c_char * array.nbytes).from_buffer(buffer, start)
    ctypes.memmove(copy, address, array.nbytes)
    return copy
