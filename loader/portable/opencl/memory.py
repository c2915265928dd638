"""An array's address and layout, and copies where a kernel needs another alignment or order."""

import ctypes
import math
from functools import lru_cache

import mlx.core as mx

_ALIGNMENT = 64
# Formats of Python's buffers, for dtypes that have one.
_FORMATS = {
    mx.float32: "f",
    mx.bool_: "?",
    **{mx.int8: "b", mx.int16: "h", mx.int32: "i", mx.int64: "q"},
    **{mx.uint8: "B", mx.uint16: "H", mx.uint32: "I", mx.uint64: "Q"},
}
_SMALL_OUTPUT = 1 << 18
# The bytes behind a small output: a pattern that no kernel writes by chance.
_TAIL = bytes(range(1, 256)) * 4


class _Buffer(ctypes.Structure):
    """Python's Py_buffer."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
        ("internal", ctypes.c_void_p),
    )


_STRIDED = 0x18


def output(shape, dtype, init_value):
    """An array to write into. A small one is made of bytes: that spares the evaluation of a graph, 20 us."""
    if init_value is not None:
        # As MLX does it: a float32, converted. `mx.full` itself takes a float for an array of integers amiss.
        return mx.full(shape, mx.array(float(init_value), mx.float32).astype(dtype))
    size = math.prod(shape) * dtype.size
    if 0 < size <= _SMALL_OUTPUT and dtype in _FORMATS and shape:
        return mx.array(memoryview(bytearray(size)).cast(_FORMATS[dtype], shape))
    return mx.empty(shape, dtype)


class Output:
    """Where a kernel writes an output: a small one lies before bytes that the kernel must leave as they are, so that a
    write just past its end hits nothing of Python's. `array` makes the result of it."""

    def __init__(self, shape, dtype, init_value):
        self._shape, self._dtype, self.size = shape, dtype, math.prod(shape) * dtype.size
        self._array = None
        if not 0 < self.size <= _SMALL_OUTPUT or dtype not in _FORMATS or not shape:
            self._array = output(shape, dtype, init_value)
            return
        self._memory = bytearray(self.size + _ALIGNMENT + len(_TAIL))
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._start = -start % _ALIGNMENT
        self.address = start + self._start
        self._memory[self._start + self.size : self._start + self.size + len(_TAIL)] = _TAIL
        if init_value is not None:
            filled = output(shape, dtype, init_value)
            mx.eval(filled)
            ctypes.memmove(self.address, address(filled), self.size)

    @property
    def is_guarded(self):
        return self._array is None

    def prepare(self):
        """The array that is written to where the output is not guarded, evaluated."""
        mx.eval(self._array)
        return self._array

    def overrun(self):
        """How many bytes past its end were written to, up to the last that differs."""
        if not self.is_guarded:
            return 0
        tail = self._memory[self._start + self.size : self._start + self.size + len(_TAIL)]
        return next((i + 1 for i in range(len(_TAIL) - 1, -1, -1) if tail[i] != _TAIL[i]), 0) if tail != _TAIL else 0

    def array(self):
        if not self.is_guarded:
            return self._array
        data = memoryview(self._memory)[self._start : self._start + self.size]
        return mx.array(data.cast(_FORMATS[self._dtype], self._shape))


def contiguous(arrays):
    """Evaluated arrays, each in row-major order; most are that already."""
    return [x if not x.size or memoryview(x).c_contiguous else _copied(x) for x in arrays]


def _copied(array):
    array = mx.contiguous(array)
    mx.eval(array)
    return array


def address(array):
    """The address of an evaluated array's first element; an empty array has none."""
    if not array.size:
        return None
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except TypeError:
        return _address_of_strided(array)


def _address_of_strided(array):
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(array), ctypes.byref(buffer), _STRIDED)
    try:
        return buffer.buf
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))


def layout(array, contiguous):
    """(dtype, shape, strides in elements) of an evaluated array; strides are None where they follow."""
    if contiguous:
        return array.dtype, array.shape, None
    return array.dtype, array.shape, tuple(s // array.itemsize for s in memoryview(array).strides)


@lru_cache(maxsize=1024)
def _strides(shape):
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def size_arrays(layout, wanted):
    """The arrays behind `<input>_shape`, `_strides` and `_ndim`, of those that a body reads."""
    _, shape, strides = layout
    if not shape:
        return []
    values = {
        "shape": (ctypes.c_int * len(shape))(*shape),
        "strides": (ctypes.c_int64 * len(shape))(*(strides or _strides(shape))),
        "ndim": ctypes.c_int(len(shape)),
    }
    return [values[size] for size in wanted]


class Aligned:
    """An array whose data is aligned for vector loads: its own, or a copy."""

    def __init__(self, array):
        self._array, self._copy = array, None
        self.address = address(array)
        if self.address is not None and self.address % 16:
            if isinstance(array, mx.array) and not memoryview(array).c_contiguous:
                return
            self._copy = (ctypes.c_char * (array.nbytes + _ALIGNMENT))()
            self._own, self.address = self.address, -(-ctypes.addressof(self._copy) // _ALIGNMENT) * _ALIGNMENT
            ctypes.memmove(self.address, self._own, array.nbytes)

    def write_back(self):
        """Put what a kernel wrote into the array."""
        if self._copy is not None:
            ctypes.memmove(self._own, self.address, self._array.nbytes)
