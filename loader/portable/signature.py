"""What MLX's kernel signature is made of, for the engines whose unit is written here."""

import math
from dataclasses import dataclass

import mlx.core as mx

TYPES = {
    mx.bool_: "bool",
    mx.int8: "char",
    mx.int16: "short",
    mx.int32: "int",
    mx.int64: "long",
    mx.uint8: "uchar",
    mx.uint16: "ushort",
    mx.uint32: "uint",
    mx.uint64: "ulong",
    mx.float16: "half",
    mx.bfloat16: "bfloat",
    mx.float32: "float",
    mx.complex64: "complex64_t",
}

# Metal's attributes in terms of ids that the engine derives, for the axes x, y and z: `_g` the threadgroup, `_l` the
# thread in it, `_n` the threadgroup's size before the grid cuts it, `_t` after, `_size` the grid in threads.
VECTORS = {
    "thread_position_in_grid": "_g{0} * _n{0} + _l{0}",
    "thread_position_in_threadgroup": "_l{0}",
    "threadgroup_position_in_grid": "_g{0}",
    "threads_per_threadgroup": "_t{0}",
    "dispatch_threads_per_threadgroup": "_n{0}",
    "threads_per_grid": "_size{0}",
    "grid_size": "_size{0}",
    "threadgroups_per_grid": "(_size{0} - 1) / _n{0} + 1",
}
SCALARS = {
    "thread_index_in_threadgroup": "_index",
    "thread_index_in_simdgroup": "_lane",
    "simdgroup_index_in_threadgroup": "_simdgroup",
    "thread_index_in_quadgroup": "_index % 4",
    "quadgroup_index_in_threadgroup": "_index / 4",
    "simdgroups_per_threadgroup": "(_tx * _ty * _tz + 31) / 32",
    "dispatch_simdgroups_per_threadgroup": "(_nx * _ny * _nz + 31) / 32",
    "quadgroups_per_threadgroup": "(_tx * _ty * _tz + 3) / 4",
    "threads_per_simdgroup": "32",
    "thread_execution_width": "32",
}
# MLX passes an input below this size as `constant`.
_SMALL = 8


@dataclass(frozen=True)
class Argument:
    """What an input is to the signature: its dtype, whether it has dims, whether it is small."""

    dtype: object
    scalar: bool
    small: bool

    @classmethod
    def of(cls, array):
        return cls.like(array.shape, array.dtype)

    @classmethod
    def like(cls, shape, dtype):
        return cls(dtype, not shape, math.prod(shape) < _SMALL)


def sizes_read(source, name):
    """Which of shape, strides and ndim of an input a body reads: MLX too looks for the bare name."""
    return [size for size in ("shape", "strides", "ndim") if f"{name}_{size}" in source]


def constant(name, value):
    """The declaration of a template argument."""
    if isinstance(value, bool):
        return f"constexpr bool {name} = {str(value).lower()};"
    if isinstance(value, int):
        return f"constexpr int {name} = {value};"
    return f"using {name} = {TYPES[value]};"


def attributes(source, vector, scalar):
    """Declarations of the attributes that a body reads; `vector` and `scalar` are formats of name and value."""
    lines = [
        vector.format(name=name, x=axis.format("x"), y=axis.format("y"), z=axis.format("z"))
        for name, axis in VECTORS.items()
        if name in source
    ]
    return lines + [scalar.format(name=name, value=value) for name, value in SCALARS.items() if name in source]
