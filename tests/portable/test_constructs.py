"""Constructs of published kernels, which the rewriting and the headers bring to each engine."""

import mlx.core as mx
import numpy as np
import pytest

import loader

pytestmark = pytest.mark.skipif(loader.backend() != "opencl", reason="rules of the opencl engine's rewriting")

X = np.random.default_rng(0).standard_normal(64).astype(np.float32)
MAKER = """namespace metal {
template <typename... T> struct mk { typedef void type; };
template <typename... T> using void_t = typename mk<T...>::type;
}
"""
# Body, what it makes of X, and what stands above it.
CASES = {
    "pragma": ("#pragma clang fp contract(off)\nuint i = thread_position_in_grid.x; y[i] = x[i] * x[i];", X * X, ""),
    "void_t": ("y[i] = x[i];", X, MAKER),
    "addrspace": ("F v = x[i]; y[i] = v;", X, "using F = metal::remove_addrspace_t<device float>;\n"),
    "constructor": ("B b; y[i] = b.v + x[i];", X + 1, "struct B { float v; B() thread { v = 1.0f; } };\n"),
    "braces": ("float4 v = {x[i]}; v.y += 1.0f; y[i] = v.x + v.y + v.z + v.w;", X + 1, ""),
    "braces in part": ("float4 v = {x[i], 2.0f}; y[i] = v.x + v.y + v.z + v.w;", X + 2, ""),
    "vec<bool>": ("vec<bool, 2> b; b[0] = x[i] > 0; b[1] = false; y[i] = b[0] ? 1.0f : 0.0f;", X > 0, ""),
    "filled": (
        "simdgroup_float8x8 m = make_filled_simdgroup_matrix<float, 8>(3.0f); y[i] = m.thread_elements()[0] + x[i];",
        X + 3,
        "",
    ),
    "sequence": (
        "float s = x[i]; each(s, metal::make_integer_sequence<int, 3>{}); y[i] = s;",
        X + 3,
        "template <int... K>\n"
        "void each(thread float& s, metal::integer_sequence<int, K...>) { ((s += float(K)), ...); }\n",
    ),
    "a member's own object": (
        "N n(x[i]); n += n * n; y[i] = n.v;",
        X + X * X,
        "struct N { float v; N(float x) : v(x) {}\n"
        "  N operator*(const thread N& o) const { return N(v * o.v); }\n"
        "  thread N& operator+=(const thread N& o) { v += o.v; return *this; } };\n",
    ),
    "functions by a typedef": (
        "float v = x[i]; run<2, add>(&v); y[i] = v + twice<next>(x[i]);",
        3 * X + 4,
        "typedef void (*F)(thread float*, int);\nusing G = float (*)(float);\n"
        "void add(thread float* v, int n) { *v += n; }\nfloat next(float v) { return v + 1; }\n"
        "template <int N, F f> void run(thread float* v) { f(v, N); }\n"
        "template <G g> float twice(float v) { return 2 * g(v); }\n",
    ),
    "matrices of braces": (
        "float2x2 m = {{1, x[i]}, {3, 4}}; m = m * float2x2({{1, 0}, {0, 1}});\n"
        "y[i] = m[0][1] + none[1][1] + table[1][0] + float(more[0][1]);",
        X + 5,
        "constant float3x3 none = {};\nconstant half2x2 table = {{1, 2}, {3, 4}};\n"
        "static constant float2x2 more {{1, 2}, {3, 4}};\n",
    ),
    "packed": (
        "float3 v = x[i]; v += packed_float3(1, 2, 3); y[i] = v.z + dot(v, packed_float3(0, 1, 0));",
        2 * X + 5,
        "",
    ),
    "constant pointer": (
        "y[i] = x[i] * at(table, i % 2);",
        X * np.where(np.arange(64) % 2, 3, 2),
        "constexpr constant float table[2] = {2.0f, 3.0f};\nfloat at(constant float* t, uint k) { return t[k]; }\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_construct(case):
    body, wanted, header = CASES[case]
    index = "" if case == "pragma" else "uint i = thread_position_in_grid.x;\n"
    kernel = loader.metal_kernel("tried", ["x"], ["y"], index + body, header=header)
    assert np.allclose(run(kernel, mx.array(X)), wanted, rtol=1e-5, atol=1e-5)


def test_a_bfloat_becomes_a_half():
    x = mx.array(X).astype(mx.bfloat16)
    kernel = loader.metal_kernel("tried", ["x"], ["y"], "uint i = thread_position_in_grid.x; y[i] = float(half(x[i]));")
    assert np.array_equal(run(kernel, x), np.array(x.astype(mx.float16).astype(mx.float32)))


def test_sizes_may_be_numpy_integers():
    kernel = loader.metal_kernel("tried", ["x"], ["y"], "uint i = thread_position_in_grid.x; y[i] = x[i] + N;")
    (y,) = kernel(
        inputs=[mx.array(X)],
        output_shapes=[(np.int64(4), np.int32(16))],
        output_dtypes=[mx.float32],
        grid=(np.prod((4, 16)), 1, 1),
        threadgroup=(np.int64(32), 1, 1),
        template=[("N", np.int64(3))],
    )
    assert np.allclose(np.array(y).ravel(), X + 3)


@pytest.mark.parametrize("over", [1, 28])
def test_a_write_just_past_an_output_is_an_error(over):
    kernel = loader.metal_kernel("tried", ["x"], ["y"], "uint i = thread_position_in_grid.x; y[i] = 2 * x[0];")
    with pytest.raises(loader.ValidationError, match=f"up to {4 * over} bytes past the end of y"):
        kernel(
            inputs=[mx.array(X)],
            output_shapes=[(100,)],
            output_dtypes=[mx.float32],
            grid=(100 + over, 1, 1),
            threadgroup=(32, 1, 1),
        )


def run(kernel, x):
    (y,) = kernel(
        inputs=[x], output_shapes=[(64,)], output_dtypes=[mx.float32], grid=(64, 1, 1), threadgroup=(32, 1, 1)
    )
    return np.array(y)
