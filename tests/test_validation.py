"""Validation: each kind of broken kernel is reported, and its clean twin is not."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import first, rank_sets

import loader

pytestmark = pytest.mark.skipif(loader.backend() != "opencl", reason="validation is the opencl engine's")

HEADER = """
constexpr constant metal::mem_flags SHARED = metal::mem_flags::mem_threadgroup;
inline void wait() {
  metal::threadgroup_barrier(SHARED);
}
"""


def run(source, *inputs, size=128, threads=128, shape=None, dtype=mx.float32, **options):
    """The output `y` of a validated kernel; `i` is the thread, `a` and `b` the inputs."""
    call = {key: options.pop(key) for key in ("init_value", "template") if key in options}
    kernel = loader.metal_kernel(
        "tried",
        ["a", "b"][: len(inputs)],
        ["y"],
        "uint i = thread_position_in_grid.x;\n" + source,
        header=HEADER,
        validate=True,
        **options,
    )
    return kernel(
        inputs=inputs,
        output_shapes=[shape or (size,)],
        output_dtypes=[dtype],
        grid=(size, 1, 1),
        threadgroup=(threads, 1, 1),
        **call,
    )[0]


def found(*arguments, **options):
    with pytest.raises(loader.ValidationError) as caught:
        run(*arguments, **options)
    assert str(caught.value).startswith("[tried] validation found:")
    return "\n".join(caught.value.findings)


A = mx.arange(128, dtype=mx.float32)
SHARE = "threadgroup float s[128];\n"

OUT_OF_BOUNDS = {
    "a read past the end": ("y[i] = a[i + 1];", "a read of a[128], but a has 128 elements (128,)"),
    "a read before the start": ("y[i] = a[int(i) - 1];", "a read of a[-1], but a has 128 elements (128,)"),
    "a read at minus one, unsigned": ("y[i] = a[i - 1];", "a read of a[4294967295]"),
    "a write past the end": ("y[i] = a[i]; y[i + 1] = a[i];", "a write of y[128], but y has 128 elements (128,)"),
    "a write through a pointer": ("device float* p = y + i; p[64] = a[i]; *p = a[i];", "a write of y["),
    "a read of the shape": ("y[i] = a[i] + a_shape[1 + i % 2];", "a read of a_shape[1]"),
    "a thread's array": (
        "float r[4] = {1, 2, 3, 4}; y[i] = a[i] + r[i & 7];",
        "r[4] in line 2, but r has 4 elements",
    ),
    "a row of a thread's array": (
        "float r[4][2]; for (int k = 0; k < 8; ++k) r[k % 2][k / 2] = a[i];\ny[i] = r[0][0];",
        "r[2] in line 2, but r has 2 elements",
    ),
    "a threadgroup array that all threads overrun": (
        SHARE.replace("128", "32") + "s[i] = a[i]; threadgroup_barrier(SHARED); y[i] = s[i];",
        "s[32] in line 3, but s has 32 elements of threadgroup memory",
    ),
}


@pytest.mark.parametrize("source, message", OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS)
def test_out_of_bounds(source, message):
    assert message in found(source, A)


def test_out_of_bounds_of_a_small_input_and_of_half():
    assert "but a has 4 elements" in found("y[i] = a[i];", mx.ones((4,)))
    assert "a read of a[128], but a has 128 elements (2, 64)" in found(
        "y[i] = a[i + 1];", A.reshape(2, 64).astype(mx.float16)
    )


def test_what_no_run_shows_is_found_in_the_source():
    assert "2: uninitialised: s has no values to add to" in found(
        "float s[2]; for (int k = 0; k < 2; ++k) s[k] += a[i]; y[i] = s[0];", A
    )
    assert "2: nan-test:" in found("float v = a[i]; y[i] = v != v ? 0.0f : v;", A)


def test_a_kernel_may_have_the_name_of_a_function_that_it_calls():
    kernel = loader.metal_kernel(
        "exp", ["a"], ["y"], "y[thread_position_in_grid.x] = exp(a[thread_position_in_grid.x]);", validate=True
    )
    launch = dict(grid=(128, 1, 1), threadgroup=(32, 1, 1), output_shapes=[(128,)], output_dtypes=[mx.float32])
    assert mx.allclose(kernel(inputs=[A / 128], **launch)[0], mx.exp(A / 128))


def test_in_bounds_is_clean():
    np.testing.assert_array_equal(run("y[i] = a[i < 127 ? i + 1 : 0];", A), np.roll(A, -1))


def test_the_process_lives_and_the_next_kernel_runs():
    for _ in range(3):
        found("y[i] = a[i + 1000000];", A)
    np.testing.assert_array_equal(run("y[i] = 2 * a[i];", A), 2 * np.array(A))


def test_unwritten():
    message = found("if (i % 2 == 0) y[i] = a[i];", A)
    assert message == "y[1], y[3], y[5], ... (64 of 128) was never written"
    assert "y[100]" in found("y[i] = 1;", size=100, threads=100, shape=(101,))
    run("if (i % 2 == 0) y[i] = a[i];", A, init_value=0)
    run("y[i] = a[i];", A)


def test_a_result_that_depends_on_the_output_before():
    assert "depends on what the output held before" in found("y[i] += a[i];", A)
    np.testing.assert_array_equal(run("y[i] += a[i];", A, init_value=1), np.array(A) + 1)


RACES = {
    "a write read by others": "s[i] = a[i];\n{} y[i] = s[127 - i];",
    "a read overwritten": "s[i] = a[i]; wait(); float x = s[127 - i];\n{} s[i] = 2 * x; wait(); y[i] = s[i];",
    "a flag of one thread": "if (i == 64) s[0] = a[7];\n{} y[i] = s[0] + (i == 64 ? 0.0f : 0.0f);",
    "a sum over simdgroups": "if (i % 32 == 0) s[i / 32] = a[i];\n{} y[i] = s[0] + s[1] + s[2] + s[3];",
}


@pytest.mark.parametrize("name", first(2, RACES, "each compiles a kernel thrice"))
def test_races(name):
    source = RACES[name]
    message = found(SHARE + source.format(""), A)
    assert "depends on the order in which the simdgroups of a threadgroup run: a barrier is missing" in message
    run(SHARE + source.format("threadgroup_barrier(SHARED);"), A)
    run(SHARE + source.format("wait();"), A)


def test_races_of_a_partial_simdgroup():
    source = "threadgroup float s[120]; s[i] = a[i]; {} y[i] = s[119 - i];"
    assert "a barrier is missing" in found(source.format(""), A, size=120, threads=120)
    run(source.format("wait();"), A, size=120, threads=120)


def test_threadgroups_have_no_order():
    source = "y[i] = a[i]; if (i >= 32) y[i] = y[i - 32] + 1;"
    assert "depends on the order in which threadgroups run" in found(source, A, threads=32, init_value=0)


def test_a_wait_for_another_threadgroup(monkeypatch):
    monkeypatch.setattr("loader.portable.opencl.validate._PATIENCE", 3)
    source = """
    uint g = threadgroup_position_in_grid.x;
    if (thread_index_in_threadgroup == 0) {
      uint before = 1;
      while (g > 0 && (before = atomic_load_explicit(&y[g - 1], memory_order_relaxed)) == 0) {}
      atomic_store_explicit(&y[g], before + 1, memory_order_relaxed);
    }"""
    said = found(source, A, threads=32, shape=(4,), dtype=mx.uint32, init_value=0, atomic_outputs=True)
    assert "with threadgroups reversed the kernel did not end in 3 s: a thread waits for what another" in said


def test_atomic_sums_may_round():
    values = mx.random.normal((4096,), key=mx.random.key(0))
    y = run("atomic_fetch_add_explicit(&y[0], a[i], memory_order_relaxed);", values, size=4096, threads=64, shape=(1,),
            atomic_outputs=True, init_value=0)  # fmt: skip
    assert abs(y.item() - np.array(values).sum()) < 1e-2


BARRIERS = {
    "a return before it": ("if (i >= 100) return;\ns[i] = a[i];\nwait_; y[i] = s[99 - i];", 4, dict(shape=(100,))),
    "under a condition": ("y[i] = a[i];\nif (i < 64)\n  wait_;", 4, {}),
    "in lanes": ("y[i] = a[i];\nif (i % 2)\n  wait_;", 4, {}),
    "in a loop": ("y[i] = a[i];\nfor (uint k = 0; k < i % 3; ++k)\n  wait_;", 4, {}),
}


@pytest.mark.parametrize("source, line, options", BARRIERS.values(), ids=BARRIERS)
def test_barriers(source, line, options):
    message = found(SHARE + source.replace("wait_", "threadgroup_barrier(SHARED)").replace(SHARE, ""), A, **options)
    assert f"not all threads reach the barrier in line {line + 1}" in message
    assert "in threadgroup (0, 0, 0)" in message


def test_barriers_of_two_branches():
    branches = "\n  threadgroup_barrier(SHARED);\nelse\n  threadgroup_barrier(SHARED);"
    assert "not all threads reach the barrier in line 4" in found("y[i] = a[i];\nif (i < 64)" + branches, A)
    assert "threads wait at different barriers, in lines 4 and 6" in found("y[i] = a[i];\nif (i % 2)" + branches, A)


def test_barriers_in_uniform_control_flow_are_clean():
    run(SHARE + "for (uint k = 0; k < 3; ++k) { s[i] = a[i] + k; wait(); y[i] = s[127 - i]; wait(); }", A)
    run(SHARE + "if (a_shape[0] == 128) { s[i] = a[i]; wait(); y[i] = s[127 - i]; } else y[i] = 0;", A)


def test_every_shape_of_group_is_looked_at():
    kernel = loader.metal_kernel(
        "tried", [], ["y"], "if (threadgroup_position_in_grid.y == 2) if (thread_index_in_threadgroup == 5) "
        "threadgroup_barrier(metal::mem_flags::mem_none); y[0] = 1;", validate=True)  # fmt: skip
    with pytest.raises(
        loader.ValidationError, match=r"in threadgroup \(0, 2, 0\) \(3 such\) .*thread 5 reached 1 barriers"
    ):
        kernel(inputs=[], output_shapes=[(1,)], output_dtypes=[mx.int32], grid=(24, 12, 1), threadgroup=(8, 4, 1))


def test_outputs_of_every_dtype_come_back():
    for dtype in (mx.float16, mx.bfloat16, mx.int8, mx.int64, mx.bool_):
        y = run("y[i] = (T)(i % 2);", size=64, threads=64, dtype=dtype, template=[("T", dtype)])
        assert y.dtype == dtype and mx.array_equal(y.astype(mx.int32), mx.arange(64) % 2)


def test_strided_inputs_of_any_direction():
    x = mx.arange(120, dtype=mx.float32).reshape(6, 5, 4)
    source = "y[i] = a[elem_to_loc(int(i), a_shape, a_strides, a_ndim)];"
    for view in (x[:, ::-1], x[::-1, :, ::-2], x.transpose(2, 0, 1), mx.broadcast_to(x[:1], x.shape)):
        y = run(source, view, size=view.size, threads=20, ensure_row_contiguous=False)
        assert mx.array_equal(y.reshape(view.shape), view)
    over = "y[i] = a[elem_to_loc(int(i), a_shape, a_strides, a_ndim) - 100];"
    assert "out of bounds: a read of a[" in found(over, x[::-1], size=120, threads=20, ensure_row_contiguous=False)


def test_compile_errors_stay_compile_errors():
    with pytest.raises(loader.CompileError, match=r"\[tried\] does not compile(.|\n)*tried:2:\d+: error"):
        run("y[i] = nothing;")


SMALL = ("gla", "gated_delta", "dplr")


def _ours():
    """(op, ranks, length, whether with all options, dims) of every op and rank, of ops of matrices at first heads that
    end within a matrix of 8x8, of which a simdgroup has all."""
    marks = pytest.mark.full("validation compiles every kernel anew")
    for name in loader.names():
        yield pytest.param(name, {}, 1, False, {}, marks=() if name == "gated_delta" else marks)
    for name in loader.names():
        for ranks in rank_sets(loader.get(name)):
            is_cheap = not ranks and name in ("rglru", "associative_scan", "short_conv")
            length, dims = (41, {"Dk": 10, "Dv": 6}) if name in SMALL and not ranks else (130, {})
            yield pytest.param(name, ranks, length, True, dims, marks=() if is_cheap else marks)


@pytest.mark.parametrize("name, ranks, length, optional, dims", list(_ours()))
def test_every_op_is_clean(name, ranks, length, optional, dims):
    """The project's own kernels under LOADER_VALIDATE: both passes, and forward of one step without options."""
    code = f"""
        import sys; sys.path.insert(0, "tests")
        import mlx.core as mx, loader
        from oracle import draw
        op = loader.get({name!r})
        present = [a.name for a in op.spec.optional] if {optional} else []
        inputs = draw(op, {{"B": 2, "L": {length}, **op.spec.examples[-1], **{dims}}}, present, ranks={ranks})
        results = op.run_forward(inputs, tuple(o.default for o in op.spec.options))
        if {optional}:
            cotangents = [mx.ones_like(y) for y in results[: len(op.spec.outputs)]]
            op.run_backward(inputs, tuple(o.default for o in op.spec.options), results, cotangents)
        print("clean", loader.backend())
    """
    code = textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "LOADER_VALIDATE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "clean opencl", done.stderr
