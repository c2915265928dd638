"""The cuda backend's translation of Metal source; no test needs a GPU, some need NVRTC."""

import math
import re

import mlx.core as mx
import numpy as np
import nvrtc
import pytest
from oracle import first
from ptx.emulator import Emulator

from loader.portable.cuda import kernel as kernel_module
from loader.portable.cuda.kernel import Kernel
from loader.portable.cuda.rewrite import rewrite, swizzles

CASES = {
    "x = 1.0 + .5e-3 + 2. + 1e9 + 0x1p-3;": "x = 1.0f + .5e-3f + 2.f + 1e9f + 0x1p-3f;",
    "x = 1.0f + 2.5F + 1 + 0x1e + a.x1 + v1.5e;": "x = 1.0f + 2.5f + 1 + 0x1e + a.x1 + v1.5e;",
    "x = 1.0h + 2e-3bf;": "x = metal::half(1.0f) + metal::bfloat(2e-3f);",
    "// 1.0 threadgroup float s[2];": None,
    '"1.0"': None,
    "threadgroup float s[4 * N], t;": "__shared__ __align__(16) float s[4 * N], t;",
    "threadgroup float* p = s; threadgroup float (&q)[4] = s;": None,
    "#pragma clang loop unroll(full)": "#pragma unroll",
    "#include <metal_stdlib>\n#include <simd/simd.h>\n#include <other>": "\n\n#include <other>",
    "y = v.wzyx.x + v.xy.yx.y + v.x;": "y = v.w + v.x + v.x;",
}


@pytest.mark.parametrize("source", CASES)
def test_rewrite(source):
    assert rewrite(source) == (CASES[source] or source)


def test_swizzles_are_declared_where_used():
    assert swizzles("a.xy = b.zyx + c.x; // d.ww\n e.rgba") == (
        "#define MSL_SWIZZLES(M) M(rgba, 0, 1, 2, 3) M(xy, 0, 1) M(zyx, 2, 1, 0)"
    )


A = mx.ones((8,))


@pytest.fixture
def recorder(monkeypatch):
    recorder = nvrtc.Recorder()
    monkeypatch.setattr(mx.fast, "cuda_kernel", recorder)
    return recorder


def call(kernel, *inputs, grid=(64, 1, 1), threadgroup=(32, 1, 1), **options):
    return kernel(
        inputs=list(inputs),
        output_shapes=[(math.prod(grid),)],
        output_dtypes=[mx.float32],
        grid=grid,
        threadgroup=threadgroup,
        **options,
    )


@pytest.mark.parametrize("resident, bounds", [(1, "(32)"), (128, "(32, 4)")])
def test_resident_threads_bound_the_registers(recorder, resident, bounds):
    call(Kernel("scaled", ["a"], ["y"], "y[thread_position_in_grid.x] = a[0];", resident=resident), A)
    (text,) = recorder.units.values()
    assert f"__launch_bounds__{bounds}" in text


def test_one_kernel_for_all_sizes_and_one_for_each_type(recorder):
    kernel = Kernel("scaled", ["a"], ["y"], "y[thread_position_in_grid.x] = T(N) * a[a_shape[0] - 1];")
    for size in (8, 64):
        call(kernel, mx.zeros((size,)), grid=(size * 32, 1, 1), template=[("T", mx.float32), ("N", 1)])
    assert len(recorder.units) == 1
    call(kernel, mx.zeros((8,), mx.float16), template=[("T", mx.float32), ("N", 1)])
    call(kernel, mx.zeros((8,)), template=[("T", mx.float32), ("N", True)])
    call(kernel, mx.zeros((8,)), template=[("T", mx.float32), ("N", 1)], grid=(33, 1, 1))
    assert len(recorder.units) == 4
    assert all(re.search(r"void scaled_[0-9a-f]{16}\(", text) for text in recorder.units.values())


def test_more_groups_than_cuda_takes_along_z_lie_in_a_line(monkeypatch):
    launched = []
    monkeypatch.setattr(mx.fast, "cuda_kernel", lambda **_: lambda **call: launched.append(call))
    kernel = Kernel("tall", ["a"], ["y"], "y[0] = a[0];")
    call(kernel, A, grid=(4, 1, 65535), threadgroup=(2, 1, 1))
    call(kernel, A, grid=(4, 3, 65536), threadgroup=(2, 1, 1))
    call(kernel, A, grid=(5, 65536, 3), threadgroup=(2, 1, 3))
    assert [(c["grid"], c["threadgroup"]) for c in launched] == [
        ((4, 1, 65535), (2, 1, 1)),
        ((4 * 3 * 65536, 1, 1), (2, 1, 1)),
        ((6 * 65536, 1, 3), (2, 1, 3)),
    ]
    assert [x.tolist() for x in launched[2]["inputs"][1:]] == [[5, 65536, 3]] and len(launched[0]["inputs"]) == 1
    with pytest.raises(ValueError, match=r"at most 2147483647 .* \(1024, 1, 65536\); put the longest"):
        call(kernel, A, grid=(32768, 1, 65536), threadgroup=(32, 1, 1))


GRIDS = [((6, 5, 3), (4, 2, 1)), ((4, 3, 5), (2, 1, 1)), ((3, 7, 1), (3, 2, 1))]


@nvrtc.needed
@pytest.mark.parametrize("grid, threads", first(1, GRIDS, "NVRTC takes seconds for each"))
def test_ids_of_groups_in_a_line(monkeypatch, grid, threads):
    monkeypatch.setattr(mx.fast, "cuda_kernel", Emulator())
    body = (
        "uint3 at = thread_position_in_grid, n = threads_per_grid, g = threadgroup_position_in_grid;"
        "uint i = (at.z * n.y + at.y) * n.x + at.x;"
        "y[i] = 100 * g.z + 10 * g.y + g.x + 1000 * threads_per_threadgroup.x;"
    )
    (want,) = call(Kernel("ids", [], ["y"], body), grid=grid, threadgroup=threads)
    monkeypatch.setattr(kernel_module, "_MAX_GROUPS", 1)
    (got,) = call(Kernel("ids", [], ["y"], body), grid=grid, threadgroup=threads)
    assert mx.array_equal(got, want) and not mx.isnan(got).any()


TYPES = {"float": mx.float32, "bfloat": mx.bfloat16, "half": mx.float16}


@nvrtc.needed
@pytest.mark.parametrize("b", first(2, ["bfloat", "float", "half"], "NVRTC takes seconds for each"))
@pytest.mark.parametrize("a", ["bfloat", "float", "half"])
def test_products_of_two_inner_blocks(monkeypatch, a, b):
    """16x16 by 16x16: no operand loses a digit that float has."""
    monkeypatch.setattr(mx.fast, "cuda_kernel", Emulator())
    body = f"""
      simdgroup_matrix<{a}, 8, 8> left[2], more[2];
      simdgroup_matrix<{b}, 8, 8> right[2][2];
      simdgroup_float8x8 sums[2], nexts[2];
      for (int i = 0; i < 2; ++i) {{
        sums[i] = nexts[i] = simdgroup_float8x8(0.0f);
        simdgroup_load(left[i], x + i * 128, 16);
        simdgroup_load(more[i], x + i * 128 + 8, 16);
        simdgroup_load(right[i][0], w + i * 8, 16);
        simdgroup_load(right[i][1], w + i * 8 + 128, 16);
      }}
      simdgroup_multiply_accumulate_2x2x2<{a}, {b}>(sums, nexts, left, more, right);
      for (int i = 0; i < 2; ++i) {{
        simdgroup_store(sums[i], y + i * 128, 16);
        simdgroup_store(nexts[i], y + i * 128 + 8, 16);
      }}
    """
    x, w = (mx.random.normal((16, 16), key=mx.random.key(i)).astype(TYPES[t]) for i, t in enumerate((a, b)))
    (y,) = Kernel("products", ["x", "w"], ["y"], body, "using namespace metal;\n")(
        inputs=[x, w],
        output_shapes=[(16, 16)],
        output_dtypes=[mx.float32],
        grid=(32, 1, 1),
        threadgroup=(32, 1, 1),
    )
    want = np.array(x.astype(mx.float32), np.float64) @ np.array(w.astype(mx.float32), np.float64)
    assert np.abs(np.array(y) - want).max() < 2e-6


@nvrtc.needed
def test_errors_point_into_the_source(recorder):
    header = "#include <metal_stdlib>\nusing namespace metal;\nfloat twice(float x) { return 2 * x; }\n"
    call(Kernel("wrong", [], ["y"], "\n\n  y[0] = twice(1.0) + missing;\n", header))
    (text,) = recorder.units.values()
    with pytest.raises(nvrtc.Refused, match=r'^wrong\(3\): error: identifier "missing" is undefined'):
        nvrtc.compile(text, "compute_90")


PROBES = {
    "vectors": "float4 v = float4(float2(a[0]), 1, 2.0); v.xz = v.wy * 2; v.yw += half2(v.xy).yx.x; y[0] = dot(v, v);",
    "half and bfloat": "half h = 1.5h; bfloat b = bfloat(h) * 2; y[0] = max(h, half(2)) + b * 0.5f + (h > 0.5);",
    "lanes": "int n = int(a[0]); y[0] = simd_sum(a[0]) + quad_broadcast(n, 1) + simd_shuffle_xor(half2(1), 3).y;",
    "atomics": "threadgroup atomic_int n; atomic_fetch_max_explicit(&n, 3, memory_order_relaxed); y[0] = n.value;",
    "matrices": "simdgroup_float8x8 m(1); simdgroup_half8x8 h(1); simdgroup_multiply(m, h, h); simdgroup_store(m, y);",
    "small and 0-d inputs": "y[0] = s * a[0] + a_ndim + a_strides[0];",
    "complex": "complex64_t z = complex64_t(a[0], 1); y[0] = simd_sum(z * z / 2.0).imag;",
    "integers": "y[0] = popcount(uint(a[0])) + extract_bits(7, 1, 2) + mulhi(5u, 7u) + addsat(uchar2(250), 9).x;",
    "a cut grid": "y[0] = threads_per_threadgroup.x + threads_per_grid.y;",
}


@nvrtc.needed
@pytest.mark.parametrize("architecture", first(1, ["sm_90", "sm_80"], "NVRTC takes seconds for each"))
def test_the_language_compiles(recorder, architecture):
    for name, source in PROBES.items():
        kernel = Kernel(re.sub(r"\W", "_", name), ["a", "s"], ["y"], source)
        call(kernel, mx.ones((4,)), mx.array(2.0), grid=(33 if "cut" in name else 64, 1, 1))
    nvrtc.compile_all(recorder.units, architecture)
