"""simdgroup_matrix against NumPy, and the layout of its elements over the lanes."""

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, run

import loader

FLOATS = [mx.float32, mx.float16, mx.bfloat16]
A, B, C = (np.random.default_rng(s).integers(-4, 5, (8, 8)).astype(np.float32) for s in range(3))
LANE = np.arange(LANES)
if loader.backend() == "cuda":  # tensor cores have a layout of their own
    ROW, COLUMN = LANE // 4 % 4 * 2 + LANE // 16, LANE % 4 * 2
else:
    ROW = (LANE >> 4 & 1) << 2 | (LANE >> 1 & 3)
    COLUMN = (LANE >> 3 & 1) << 2 | (LANE & 1) << 1


def matrix(first, second):
    """The matrix of which each lane holds a first and a second element."""
    result = np.empty((8, 8), np.float32)
    result[ROW, COLUMN], result[ROW, COLUMN + 1] = first, second
    return result


# Source over m, n, k = A, B, C and r, the result, and what r must be.
CASES = {
    "load and store": ("r = m;", A),
    "multiply": ("simdgroup_multiply(r, m, n);", A @ B),
    "multiply_accumulate": ("simdgroup_multiply_accumulate(r, m, n, k);", A @ B + C),
    "into itself": (
        "r = k; simdgroup_multiply_accumulate(r, m, n, r); simdgroup_multiply_accumulate(r, n, m, r);",
        A @ B + B @ A + C,
    ),
    "operator": ("r = m * n;", A @ B),
    "transposed load": ("simdgroup_load(r, a, 8, ulong2(0, 0), true);", A.T),
    "product with a transposed": ("simdgroup_load(m, a, 8, 0, true); simdgroup_multiply(r, m, n);", A.T @ B),
    "diagonal": ("r = simdgroup_matrix<T, 8, 8>(T(3));", 3 * np.eye(8)),
    "identity": ("simdgroup_multiply(r, m, simdgroup_matrix<T, 8, 8>(T(1)));", A),
    "filled": ("r = make_filled_simdgroup_matrix<T, 8, 8>(T(5));", np.full((8, 8), 5)),
    "thread_elements": (
        "r = m; r.thread_elements()[0] *= T(2); r.thread_elements()[1] += T(1);",
        matrix(2 * A[ROW, COLUMN], A[ROW, COLUMN + 1] + 1),
    ),
    "product with one that some lanes change": (
        "if (lane % 3 == 0) { n.thread_elements()[0] = T(7); } simdgroup_multiply(r, m, n);",
        A @ matrix(np.where(LANE % 3 == 0, 7, B[ROW, COLUMN]), B[ROW, COLUMN + 1]),
    ),
    "layout": ("r.thread_elements() = vec<T, 2>(T(lane), T(lane + 32));", matrix(LANE, LANE + 32)),
    "through threadgroup memory": (
        "threadgroup T s[64]; simdgroup_store(m, s);\n"
        "simdgroup_barrier(mem_flags::mem_threadgroup); simdgroup_load(r, s, 8, 0, true);",
        A.T,
    ),
}


@once
def results():
    """All cases of a type in one kernel, each in a scope of its own."""
    found = {}
    for dtype in FLOATS:
        lines = ["uint lane = thread_index_in_simdgroup;"]
        for index, (text, _) in enumerate(CASES.values()):
            lines.append(
                f"{{ using T = {METAL[dtype]}; simdgroup_matrix<T, 8, 8> m, n, k, r;\n"
                f"simdgroup_load(m, a); simdgroup_load(n, b, 8);\n"
                f"simdgroup_load(k, c, 8, ulong2(0)); {text} simdgroup_store(r, out + {64 * index}, 8); }}"
            )
        inputs = [mx.array(x).astype(dtype) for x in (A, B, C)]
        header = f"using T = {METAL[dtype]};\n"
        found[dtype] = dict(
            zip(CASES, run("\n".join(lines), *inputs, shape=(len(CASES), 8, 8), dtype=dtype, header=header))
        )
    return found


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    for dtype in FLOATS:
        np.testing.assert_array_equal(results()[dtype][name], CASES[name][1], err_msg=str(dtype))


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16], ids=str)
def test_float_accumulator_of_small_inputs(dtype):
    x, y = (mx.random.normal((8, 8), key=mx.random.key(s)).astype(dtype) for s in (1, 2))
    t = METAL[dtype]
    source = f"simdgroup_matrix<{t}, 8, 8> m, n; simdgroup_load(m, a); simdgroup_load(n, b);"
    source += "simdgroup_float8x8 r(0.0f); simdgroup_multiply_accumulate(r, m, n, r); simdgroup_store(r, out);"
    want = np.array(x.astype(mx.float32), np.float64) @ np.array(y.astype(mx.float32), np.float64)
    np.testing.assert_allclose(run(source, x, y, shape=(8, 8)), want, rtol=1e-5, atol=1e-6)


def test_stride_and_origin():
    big = np.random.default_rng(4).normal(size=(20, 24)).astype(np.float32)
    source = """simdgroup_float8x8 m, t; simdgroup_load(m, a, 24, ulong2(5, 7));
    simdgroup_load(t, a, 24, ulong2(5, 7), true);
    simdgroup_store(m, out, 16, ulong2(8, 0)); simdgroup_store(t, out + 128, 16, ulong2(0, 0), false);
    simdgroup_store(m, out + 128, 16, ulong2(8, 0), true);"""
    found = run(source, big, shape=(16, 16), init_value=0)
    tile = big[7:15, 5:13]
    np.testing.assert_array_equal(found, np.block([[np.zeros((8, 8)), tile], [tile.T, tile.T]]))


def test_blocked_product_of_several_simdgroups():
    x, y = (np.random.default_rng(s).normal(size=(32, 32)).astype(np.float32) for s in (5, 6))
    source = """uint sg = simdgroup_index_in_threadgroup;
    simdgroup_float8x8 acc[4]; for (int j = 0; j < 4; ++j) acc[j] = simdgroup_float8x8(0.0f);
    for (int p = 0; p < 32; p += 8) {
      simdgroup_float8x8 left, right; simdgroup_load(left, a + sg * 8 * 32 + p, 32);
      for (int j = 0; j < 4; ++j) { simdgroup_load(right, b + p * 32 + j * 8, 32);
      simdgroup_multiply_accumulate(acc[j], left, right, acc[j]); }
    }
    for (int j = 0; j < 4; ++j) simdgroup_store(acc[j], out + sg * 8 * 32 + j * 8, 32);"""
    found = run(source, x, y, shape=(32, 32), threads=128)
    np.testing.assert_allclose(found, x.astype(np.float64) @ y, rtol=1e-5, atol=1e-5)
