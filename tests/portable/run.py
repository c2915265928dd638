"""Small kernels for the language probes: one call compiles, runs and returns NumPy arrays."""

import functools

import mlx.core as mx
import numpy as np

import loader

LANES = 32
METAL = {
    mx.float32: "float",
    mx.float16: "half",
    mx.bfloat16: "bfloat",
    mx.int8: "char",
    mx.uint8: "uchar",
    mx.int16: "short",
    mx.uint16: "ushort",
    mx.int32: "int",
    mx.uint32: "uint",
    mx.int64: "long",
    mx.uint64: "ulong",
    mx.bool_: "bool",
}


def run(source, *inputs, shape=(LANES,), dtype=mx.float32, threads=LANES, grid=None, header="", **options):
    """`out` of a kernel whose inputs are `a`, `b`, `c`...; `i` is the thread. bfloat16 returns as float32."""
    names = ["a", "b", "c", "d", "e"][: len(inputs)]
    kernel = loader.metal_kernel(
        name="probe",
        input_names=names,
        output_names=["out"],
        header=header,
        source="uint i = thread_position_in_grid.x;\n" + source,
        atomic_outputs=options.pop("atomic", False),
    )
    (out,) = kernel(
        inputs=[mx.array(x) for x in inputs],
        output_shapes=[shape],
        output_dtypes=[dtype],
        grid=(grid or threads, 1, 1),
        threadgroup=(threads, 1, 1),
        **options,
    )
    return np.array(out.astype(mx.float32) if dtype == mx.bfloat16 else out)


def table(probes, *inputs, dtype=mx.float32, setup="", **options):
    """{name: expression} -> {name: its value in every thread}, all of them in one kernel."""
    lines = [f"out[{k * LANES} + i] = {METAL[dtype]}({text});" for k, text in enumerate(probes.values())]
    out = run("\n".join([setup, *lines]), *inputs, shape=(len(probes), LANES), dtype=dtype, **options)
    return dict(zip(probes, out))


def once(build):
    """A function without arguments as a value computed at first use, so that collecting compiles nothing."""
    return functools.cache(build)


def ulps(got, want, dtype):
    """The largest distance to the exact result, in units of the last place of `dtype`; NaN and inf must agree."""
    digits, low = {mx.float32: (24, -125), mx.float16: (11, -13), mx.bfloat16: (8, -125)}[dtype]
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    regular = np.isfinite(want)
    np.testing.assert_array_equal(got[~regular], want[~regular])
    exponent = np.maximum(np.frexp(want[regular])[1], low)
    return np.max(np.abs(got[regular] - want[regular]) / np.ldexp(1.0, exponent - digits), initial=0.0)
