"""Expressions whose meaning depends on types: numbers beside vectors, constructors of template parameters, choices
among structs, vectors of a parameter that is bool."""

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, run, table

X = np.linspace(-3, 4, LANES).astype(np.float32)
Y = np.linspace(2.3, 0.1, LANES).astype(np.float32)
# A vector v and a float s, v and n their elements as the vector's type rounds them, r that rounding.
NUMBERS = {
    "times": ("(v * s).y", lambda v, n, r: r(v * n)),
    "on the left": ("(s * v).z", lambda v, n, r: r(n * v)),
    "plus": ("(v + s).x", lambda v, n, r: r(v + n)),
    "minus": ("(s - v).w", lambda v, n, r: r(n - v)),
    "divided": ("(v / s).x", lambda v, n, r: r(v / n)),
    "literal": ("(v * 0.3f).x", lambda v, n, r: r(v * r(0.3))),
    "in a row": ("(v - v * s * 0.5f + s).y", lambda v, n, r: r(r(v - r(r(v * n) * r(0.5))) + n)),
    "compared": ("(any(v < s) ? 1.0f : 0.0f)", lambda v, n, r: v < n),
    "compound": ("(u = v, u *= s, u.z)", lambda v, n, r: r(v * n)),
    "compound sum": ("(u = v, u -= s + 0.5f, u.x)", lambda v, n, r: r(v - r(Y + np.float32(0.5)))),
    "of a swizzle": ("(u = v, u.xz /= s, u.z)", lambda v, n, r: r(v / n)),
    "of an element": ("(list[i % 3] = v, list[i % 3] += s, list[i % 3].w)", lambda v, n, r: r(v + n)),
    "in a constructor": ("float4(V(v * s)).x", lambda v, n, r: r(v * n)),
    "in a macro": ("SCALED(v, s).y", lambda v, n, r: r(v * n)),
    "in a template": ("shifted(v, s).x", lambda v, n, r: r(r(v + n) - r(2 * Y))),
    "in a template of floats": ("shifted(float4(v), 0.0f).x", lambda v, n, r: v),
}
HEADER = """using namespace metal;
#define SCALED(v, s) (v * s)
template <typename V> V shifted(V v, float s) { v += s; return v - 2.0f * s; }
"""


def rounded(x, dtype):
    return np.array(mx.array(x, dtype=mx.float32).astype(dtype).astype(mx.float32))


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16], ids=str)
def test_a_float_beside_a_vector(dtype):
    v = f"{METAL[dtype]}4"
    setup = f"float s = b[i]; {v} v = {v}(float4(a[i])), u, list[3];"
    probes = {name: f"float({text.replace('V(', v + '(')})" for name, (text, _) in NUMBERS.items()}
    for name, got in table(probes, X, Y, header=HEADER, setup=setup).items():
        want = NUMBERS[name][1](rounded(X, dtype), rounded(Y, dtype), lambda x: rounded(x, dtype))
        np.testing.assert_array_equal(got, np.float32(want), err_msg=name)


INTEGERS = {
    "short4(n) * n": lambda n: np.int16(n) * np.int16(n),
    "uchar4(n) + 250": lambda n: np.uint8(n) + np.uint8(250),
    "ushort4(n) & 5": lambda n: n & 5,
    "7 - char4(n)": lambda n: 7 - n,
    "uint4(n) % 3": lambda n: n % 3,
    "ushort4(n) | n + 1": lambda n: n | (n + 1),
    "(c = char4(n), c += 2 * n, c)": lambda n: 3 * n,
}


def test_an_int_beside_a_vector_of_smaller_ones():
    probes = {text: f"int(({text}).y)" for text in INTEGERS}
    n = np.arange(LANES, dtype=np.int32)
    for text, got in table(probes, n, dtype=mx.int32, setup="int n = a[i]; char4 c;").items():
        np.testing.assert_array_equal(got, np.int32(INTEGERS[text](n)), err_msg=text)


MADE = """using namespace metal;
struct Pair { float x, y; Pair(float a, float b) : x(a), y(b) {} };
struct Referring {
  const thread float& x;
  Referring(const thread float& y) : x(y) {}
  float get() const { return x; }
};
template <typename V> float referred(const thread float& x) { return V(x).get(); }
template <typename V, typename... A> V made(A... parts) { return V(parts...); }
template <typename V> V four(float x) { return V(x, 2 * x, 3.0f, 4.0f); }
template <typename V> V two(float2 p) { return V(p.y, p.x); }
template <typename V> V variable(float2 p) { V v(p, p.x, 1), w(p, p); return v + w; }
template <typename V, typename W> V converted(W w) { return V(w); }
template <typename V, typename W> V recast(W w) { return (V)w + (V)(w); }
template <typename V, typename W> V initialised(W w) { V v(w); return v; }
"""
CONSTRUCTORS = {
    "scalars": ("four<float4>(x).y", 2 * X),
    "scalars of halves": ("float(four<half4>(x).x)", rounded(X, mx.float16)),
    "a pack": ("made<float3>(x, 1, 2).x + made<vec<float, 4>>(float3(x), 7).w", X + 7),
    "a swizzle": ("two<float2>(float2(1, x)).x", X),
    "a struct too": ("two<Pair>(float2(x, 3)).x + made<Pair>(x, x).y", X + 3),
    "variables": ("variable<float4>(float2(x, 2)).z", 2 * X),
    "another element": ("float(converted<half4>(float4(x)).z)", rounded(X, mx.float16)),
    "halves of bfloats": ("float(converted<half>(bfloat(x)))", rounded(X, mx.bfloat16)),
    "a cast": ("float(recast<half4>(float4(x)).z)", 2 * rounded(X, mx.float16)),
    "a cast of halves": ("float(recast<bfloat>(half(x)))", 2 * rounded(rounded(X, mx.float16), mx.bfloat16)),
    "ints": ("converted<float4>(int4(x)).z + float(converted<int4>(float4(x)).x)", 2 * np.trunc(X)),
    "bfloats of halves": (
        "float(converted<bfloat4>(half4(float4(x))).y)",
        rounded(rounded(X, mx.float16), mx.bfloat16),
    ),
    "a cast of ints": ("recast<float4>(int4(x)).z", 2 * np.trunc(X)),
    "a reference": ("(referred<Referring>(x), converted<Referring>(Referring(x)).get())", X),
    "a variable of ints": ("initialised<float4>(int4(x)).z", np.trunc(X)),
}


@once
def constructors():
    return table({n: text for n, (text, _) in CONSTRUCTORS.items()}, X, header=MADE, setup="float x = a[i];")


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_a_constructor_of_a_template_parameter(name):
    np.testing.assert_array_equal(constructors()[name], CONSTRUCTORS[name][1])


CHOICES = {
    "a variable": ("(x < 0 ? m : float2x2(2.0f))[0].x", np.where(X < 0, X, 2)),
    "a temporary": ("(x < 0 ? m * m : m)[1].y", np.where(X < 0, X * X, X)),
    "in a row": ("(x < -1 ? m : x < 1 ? m + m : m)[0].x", np.where((X >= -1) & (X < 1), 2 * X, X)),
    "of complex numbers": ("(x < 0 ? z * z : z).real", np.where(X < 0, X * X - 1, X)),
    "from memory": ("(x < 0 ? kept[i % 2] : float2x2(3.0f))[0].x", np.where(X < 0, X, 3)),
    "bools": ("(x < 0 ? q : bool2(true, false)).x ? 1.0f : 0.0f", X >= 0),
}


@once
def choices():
    setup = "float x = a[i]; float2x2 m(x), kept[2]; kept[0] = kept[1] = m; complex64_t z{x, 1.0f}; bool2 q(false);"
    probes = {name: text for name, (text, _) in CHOICES.items()}
    return table(probes, X, setup=setup)


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_between_a_variable_and_a_temporary(name):
    np.testing.assert_allclose(choices()[name], np.float32(CHOICES[name][1]), rtol=1e-6, atol=1e-6)


VECTORS = """template <typename T> float first(T x) {
  metal::vec<T, 4> v(x, false, true, x);
  vec<T, 2> w = vec<T, 2>(v[0], v[2]);
  return float(w[0]) + 2 * float(w[1]);
}
"""


@pytest.mark.parametrize("dtype", [mx.bool_, mx.float32], ids=str)
def test_a_vector_of_a_parameter_that_may_be_bool(dtype):
    source = "vec<T, 3> v; v[0] = T(a[i]); out[i] = first(v[0]);"
    got = run(source, X > 0, header=VECTORS, template=[("T", dtype)])
    np.testing.assert_array_equal(got, (X > 0) + 2)


FUNCTIONS = """using namespace metal;
inline float square(float x) { return x * x; }
namespace mine { METAL_FUNC float half_of(float x) { return x / 2; } }
METAL_FUNC void twice(thread float& x) { x *= 2; }
template <float (*F)(float), int N> float applied(float x) {
  for (int k = 0; k < N; ++k) x = F(x);
  return x;
}
template <float (*F)(float), float (*G)(float)> float both(float2 x) { return F(x.x) + G(x.y) + applied<F, 1>(x.y); }
template <void (*F)(thread float&)> float changed(float x) { F(x); return x; }
namespace mine { inline float quarter(float x) { return applied<half_of, 2>(x); } }
float fourth(float x) { return applied<square, 2>(x); }
"""
CALLED = {
    "applied<square, 1>(x)": X * X,
    "applied<&square, 2>(x)": X**4,
    "both<square, mine::half_of>(float2(x, 1.0f))": X * X + 1.5,
    "changed<twice>(x)": 2 * X,
    "fourth(x)": X**4,
    "mine::quarter(x)": X / 4,
}


def test_a_function_as_a_template_argument():
    for text, got in table({text: text for text in CALLED}, X, header=FUNCTIONS, setup="float x = a[i];").items():
        np.testing.assert_allclose(got, CALLED[text], rtol=1e-6, err_msg=text)
