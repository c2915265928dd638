"""`ptx` reports kernels that would hang a GPU, or give wrong results there without an error."""

import mlx.core as mx
import numpy as np
import nvrtc
import ptx
import pytest
from oracle import first
from ptx.emulator import Emulator

from loader.portable.cuda.kernel import Kernel


@pytest.fixture
def run(monkeypatch):
    """A function that runs a kernel of 64 threads, two to a lane, for an array y of 64 numbers."""
    monkeypatch.setattr(mx.fast, "cuda_kernel", Emulator())

    def call(source):
        kernel = Kernel("probe", ["a"], ["y"], "uint i = thread_position_in_grid.x;\n" + source)
        inputs = [mx.arange(64, dtype=mx.float32)]
        sizes = {"output_shapes": [(64,)], "output_dtypes": [mx.float32]}
        return np.array(kernel(inputs=inputs, grid=(64, 1, 1), threadgroup=(32, 1, 1), **sizes)[0])

    return call


@nvrtc.needed
def test_paths_part_and_meet(run):
    source = "float x = a[i]; while (x > i % 5) { x -= i % 3 + 1; } y[i] = x + simd_sum(a[i]);"
    want = np.arange(64.0)
    for i in range(64):
        while want[i] > i % 5:
            want[i] -= i % 3 + 1
    np.testing.assert_array_equal(run(source), want + np.repeat(np.arange(64.0).reshape(2, 32).sum(1), 32))


@nvrtc.needed
def test_lanes_that_never_come(run):
    matrix = "simdgroup_float8x8 m(1); simdgroup_multiply(m, m, m); simdgroup_store(m, y);"
    with pytest.raises(ptx.Deadlock, match="probe.* threads wait for ever at: bar.warp.sync -1; .*sync"):
        run(f"if (i < 48) {{ {matrix} }} simdgroup_barrier(mem_flags::mem_none);")


OUTSIDE = ["y[i + 1] = 0;", "y[i] = a[i * 2];", "y[i] = a[int(i) - 1];"]


@nvrtc.needed
@pytest.mark.parametrize("source", first(1, OUTSIDE, "NVRTC takes seconds for each"))
def test_addresses_outside(run, source):
    with pytest.raises(ptx.Outside, match="an address outside of every array: .*global"):
        run(source)


@nvrtc.needed
def test_what_nobody_wrote_is_nan(run):
    found = run(
        "threadgroup float s[32]; if (i % 2) { s[i % 32] = 1; } simdgroup_barrier(mem_flags::mem_threadgroup);"
        "if (i < 60) { y[i] = s[i % 32]; }"
    )
    np.testing.assert_array_equal(found, np.where((np.arange(64) % 2 == 1) & (np.arange(64) < 60), 1, np.nan))


UNKNOWN = ["tanh.approx.f32 %f1, %f1", "add.sat.f32 %f1, %f1, %f1", "setp.lt.and.f32 %p1, %f1, %f1, %p1"]


@pytest.mark.parametrize("instruction", UNKNOWN)
def test_unknown_instructions_are_refused(instruction):
    (program,) = ptx.programs(
        f".visible .entry probe(\n)\n{{ .reg .f32 %f<2>; .reg .pred %p<2>; {instruction}; ret; }}"
    )
    with pytest.raises(NotImplementedError, match=instruction):
        ptx.launch(program, (1, 1, 1), (32, 1, 1), [])
