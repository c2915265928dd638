"""The OpenCL backend's rewriting of Metal source, and code that it leaves unchanged."""

import time

import pytest

from loader.backends.cuda.rewrite import rewrite as cuda_rewrite
from loader.backends.cuda.rewrite import swizzles
from loader.backends.opencl.rewrite import rewrite

CASES = {
    "x = vec<T, 4>(a, b, c, d);": "x = make_vector<vec<T, 4>>(a, b, c, d);",
    "metal::vec<float, 2>(vec<U, 2>(1, 2))": "metal::make_vector<vec<float, 2>>(make_vector<vec<U, 2>>(1, 2))",
    "vec<T, 4> f(int);": None,
    "operator vec<T, 2>() const;": None,
    "foo<vec<T, 4>>(x);": None,
    "vec<T, 4> v{1, 2, 3, 4};": None,
    "using V = vec<float, 3>; y = V(1, 2, 3);": "using V = vec<float, 3>; y = make_vector<V>(1, 2, 3);",
    "typedef half4 H; y = H(x);": "typedef half4 H; y = make_vector<H>(x);",
    "template <class T> using V = vec<T, 2>; V<A>(1);": "template <class T> using V = vec<T, 2>; make_vector<V<A>>(1);",
    "y = (half4)x;": "y = half4(x);",
    "y = (half4)(a + b) * 2;": "y = half4((a + b)) * 2;",
    "return (float4)p[i].xyz[0](1) + 1;": "return float4(p[i].xyz[0](1)) + 1;",
    "y = (half4)(float4)v;": "y = half4(float4(v));",
    "void f(float4);": None,
    "n = sizeof(float4) + 1;": None,
    "f(float4) (x)": None,
    "x = (device float4*)p;": None,
    "float4 v(x, y, 1, g(2));": "float4 v = float4(x, y, 1, g(2));",
    "float4 v(x);": "float4 v = float4(x);",
    "float4 v(a * b, c);": "float4 v = float4(a * b, c);",
    "float4 u(x), w = v(y), q[2], t, v(1, g(2));": "float4 u = float4(x), w = v(y), q[2], t, v = float4(1, g(2));",
    "float4 u = f<A, B>(x), v(x, y);": "float4 u = f<A, B>(x), v = float4(x, y);",
    "for (float2 u(x), v(y); ;) {}": "for (float2 u = float2(x), v = float2(y); ;) {}",
    "vec<T, 4> v(x, y), w(x);": "vec<T, 4> v = make_vector<vec<T, 4>>(x, y), w = make_vector<vec<T, 4>>(x);",
    "float4 u = f<A, B(3), C>(x);": None,
    "void f(float4 a, float4 b);": None,
    "float4 f(int), g(float4 x);": None,
    "template <typename T> vec<T, 4> f(T);": None,
    "float4 u, v /* (x */, w; // float4 v(x), w(y);": None,
    "float4 f(float4 x, const device float* p);": None,
    "float4 f();": None,
    "float4 f(float4 x) { return x; }": None,
    "y = float4(a < b);": "y = float4(msl::compared(a < b));",
    "y = static_cast<float4>((a == b) & (c > d));": "y = static_cast<float4>(msl::compared((a == b) & (c > d)));",
    "auto c = a <= b;": "auto c =msl::compared( a <= b);",
    "y = float4(max(a < b, c));": None,
    "y = float4(f<int>(a), a << 2, a >> 1, p->x);": None,
    "y = float4(a < b ? c : d);": None,
    "b = 1.5bf + 2e-3bf + .5BF;": "b = bfloat(1.5f) + bfloat(2e-3f) + bfloat(.5f);",
    "x = 0x1bf; y = abf;": None,
    "operator float4() const;": "operator metal::vec<float, 4>() const;",
    "// vec<T, 4>(x) (half4)x 1.0bf": None,
    '"vec<T, 4>(x)" /* (half4)y */': None,
    "void f(thread const float& x, const thread float* p, thread float& y);": (
        "void f(const float& x, const float* p, thread float& y);"
    ),
    "threadgroup float s[32];": None,
    "{ threadgroup float* p = s; threadgroup float& r = s[0]; }": None,
    "a; if (c) { threadgroup T s[4 * N]; }": "a; threadgroup T s_nested_0[4 * N]; if (c) { auto& s = s_nested_0; }",
    "if (c) a; else { threadgroup int s; }": " threadgroup int s_nested_0;if (c) a; else { auto& s = s_nested_0; }",
    "{ threadgroup vec<T, 4> s[2], t; }": " threadgroup vec<T, 4> s_nested_0[2], t_nested_0;"
    "{ auto& s = s_nested_0; auto& t = t_nested_0; }",
    "#define M { threadgroup int s; }": None,
}


@pytest.mark.parametrize("source", CASES)
def test_rewrite(source):
    assert rewrite(source) == (CASES[source] or source)


def test_aliases_of_the_context():
    assert rewrite("y = V(1, 2);", "using V = vec<float, 2>;") == "y = make_vector<V>(1, 2);"


def test_lines_keep_their_numbers():
    source = """a;
for (;;) {
  threadgroup float
    s[4],
    t[2];
  /* vec<T, 4>(
 */ x = vec<T,
 4>(1,
 2, 3, 4); // marker
}
"""
    result = rewrite(source)
    assert result.count("\n") == source.count("\n")
    assert [k for k, line in enumerate(result.split("\n")) if "marker" in line] == [8]
    assert rewrite(result) == result


MANY = 10_000
LONG = {
    "blanks": " " * MANY,
    "lines": "\n" * MANY,
    "a comment": "/*" + " *" * MANY + "*/",
    "a comment that never ends": "/*" * MANY,
    "line comments": "// x\n" * (MANY // 5),
    "a string that never ends": '"' + '\\"' * MANY,
    "characters that never end": "'\\" * MANY,
    "one word": "a" * MANY,
    "digits": "1" * MANY,
}


@pytest.mark.parametrize("rewrite", [rewrite, cuda_rewrite, swizzles])
@pytest.mark.parametrize("what", LONG)
def test_time_is_linear_in_the_text(rewrite, what):
    source = (
        "threadgroup float{0} s[3];{0} float4{0} v(1, 2, 3, 4); y[0] ={0} (half4){0} x.xy[0]; z = float4({0}a < b);{0}"
        "float4{0} v(1){0}, w ={0} a{0} < b{0}, c({0}d);{0}"
    )
    before = time.process_time()
    rewrite(source.replace("{0}", LONG[what]))
    assert time.process_time() - before < 2
