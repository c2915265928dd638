"""The OpenCL backend's rewriting of Metal source, and code that it leaves unchanged."""

import mlx.core as mx
import pytest
from growth import TEXTS, assert_linear
from run import LANES, run

import loader
from loader.portable.cuda.rewrite import rewrite as cuda_rewrite
from loader.portable.cuda.rewrite import swizzles
from loader.portable.opencl.mend import mended
from loader.portable.opencl.rewrite import of_several_elements, rewrite

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


PARAMETER = "template <typename T, class U> "
CONVERSIONS = {
    "T f(U x) { return T(x); }": "T f(U x) { return T(msl::into<T>() = x); }",
    "T f(U x) { return (T)x.xy + U(g(x, 1)); }": (
        "T f(U x) { return T(msl::into<T>() = x.xy) + U(msl::into<U>() = g(x, 1)); }"
    ),
    "T f(T(&x)[4], T (*g)(U)) { return T(0) + T(-1) + T() + T(1, x) + T{x}; }": None,
    "operator T() const; using F = T(U, const device float*);": None,
    "int f(U x) { return sizeof(T) * g(T)(x); }": None,
}


@pytest.mark.parametrize("source", CONVERSIONS)
def test_conversions_of_a_template_parameter(source):
    source, want = PARAMETER + source, PARAMETER + (CONVERSIONS[source] or source)
    assert (rewrite(source, converts=True), rewrite(source)) == (want, source)


def test_units_without_vectors_of_several_elements_convert_none():
    assert of_several_elements("float4 x; vec<T, 2> y;") and of_several_elements("half2 x; bfloat2 y;")
    assert not of_several_elements("float4 x; float2 y; half z; vec<float, 3> w;")


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


RANK = "scalar operand type has greater rank than the type of the vector element. ('half4' and 'float')"
EXCESS = "excess elements in scalar initializer"
CHOICE = "incompatible operand types ('__private S' and 'S')"
# {source: (error, what it points at, the source that the compiler takes)}
MENDED = {
    "y = a - h * x;": (RANK, "* x", "y = a - h *msl::fit* x;"),
    "y = h <= x;": (RANK, "<= x", "y = h <=msl::fit<= x;"),
    "p[i].xy += c ? x : z;": (RANK, "+= c", "p[i].xy += msl::fitted<decltype(msl::value(p[i].xy))>() = c ? x : z;"),
    "y = h *msl::fit* x;": (RANK, "* x", None),
    "y = b && h;": (RANK, "&& h", None),
    "template <typename T> T f() { return T(1, 2); }": (
        EXCESS,
        "T(1",
        "template <typename T> T f() { return msl::made<T>(1, 2); }",
    ),
    "T v(1, 2), w(3, 4);": (EXCESS, "w(", "T v(1, 2), w = msl::made<decltype(msl::value(w))>(3, 4);"),
    "float v(1, 2);": (EXCESS, "float", None),
    "y = (T)p[i].x + 1;": (
        "C-style cast from 'bfloat' to 'half' is not allowed",
        "(T)p[i].x",
        "y = msl::made<T>(p[i].x) + 1;",
    ),
    "x = c ? d ? a : N::b : f(c ? e : g);": (
        CHOICE,
        "? d",
        "x = c ? msl::temporary() = d ? a : N::b : msl::temporary() = f(c ? e : g);",
    ),
    "x = c /* é : */ ? a /* : */ : b;": (
        CHOICE,
        "? a",
        "x = c /* é : */ ? msl::temporary() = a /* : */ : msl::temporary() = b;",
    ),
    "template <int N, float (*F)(float)> void f();": (
        "pointers to functions are not allowed",
        "*F",
        "template <int N, typename F> void f();",
    ),
    "void f(float (*g)(float));": ("pointers to functions are not allowed", "*g", None),
    "int x; y = x(3);": ("called object type 'int' is not a function or function pointer", "(3", None),
    "float g(float x); y = f<&g>(x);": (
        "taking address of function is not allowed",
        "g>",
        "float g(float x); struct msl_g_66 { template <typename... A> METAL_FUNC auto operator()(A... a) const "
        "{ return g(a...); } }; y = f<msl_g_66>(x);",
    ),
    "float g(float x); y = g;": ("taking address of function is not allowed", "g;", None),
    "h * x": ("use of undeclared identifier 'h'", "h", None),
}


@pytest.mark.parametrize("source", MENDED)
def test_mended(source):
    error, at, want = MENDED[source]
    head = '#include <metal_stdlib>\n#line 1 "probe"\n\n'
    column = len(source[: source.index(at)].encode())
    caret = "~" * column + "^" + "~" * (len(at) - 1)
    log = f"Compilation failed\nprobe:2:{column + 1}: error: {error}\n    2 | {source}\n      | {caret}\n"
    result = mended(head + source, log)
    assert result == (want and head.replace("\n", "\n#include <mended.h>\n", 1) + want)


WRONG = {
    "int4 n(3); out[i] = (n * 1.5f).x;": "probe:2:.* invalid operands to binary expression",
    "int4 n(3); n *= 1.5f; out[i] = n.x;": "probe:2:.* scalar operand type has greater rank",
    "out[i] = made<float4>(float2(1), 3).x;": "header:1:.* no matching function for call to 'made'",
    "half4 h = half4(a[i]); h = h * a[i]; out[i] = heigt.x;": "probe:2:.* undeclared identifier 'heigt'",
    "if constexpr (sizeof(T) == 4) { out[i] = a[i].x; }": "probe:2:.* member reference base type",
    "float v(1, 2); out[i] = v;": "probe:2:11: error",
    "float2x2 m(1); out[i] = (i < 3 ? m : 1.0f)[0].x;": "probe:2:32: error: incompatible operand types",
}


needs_opencl = pytest.mark.skipif(loader.backend() != "opencl", reason="about the errors of the opencl engine")


@needs_opencl
@pytest.mark.parametrize("source", WRONG)
def test_what_is_no_metal_stays_an_error_in_its_line(source):
    with pytest.raises(loader.CompileError, match=WRONG[source]) as caught:
        run(
            source,
            mx.zeros(LANES),
            template=[("T", mx.float32)],
            header="template <typename T, typename... A> T made(A... x) { return T(x...); }\n",
        )
    assert str(caught.value).count("error:") == 1


@needs_opencl
@pytest.mark.parametrize("dtype, want", [(mx.float32, 2.5), (mx.float16, 3.5)], ids=["float", "half"])
def test_a_branch_that_does_not_compile_for_these_types_is_discarded(dtype, want):
    source = """T x = T(a[i]);
    if constexpr (metal::is_same_v<T, float>) {
      out[i] = as_type<float>(as_type<uint>(x));
    } else if constexpr (sizeof(T) == 2) {
      out[i] = float(as_type<T>(as_type<ushort>(x))) + 1;
    } else {
      out[i] = x.real;
    }"""
    assert run(source, mx.full((LANES,), 2.5), template=[("T", dtype)])[0] == want


@needs_opencl
def test_more_errors_than_the_compiler_names_at_once():
    got = run("half4 h(2.0h); float s = 1;\n" + 50 * "h = h * s; h += s;\n" + "out[i] = h.x;", mx.zeros(LANES))
    assert got[0] == 52


LONG = {**TEXTS, "characters that never end": lambda n: "'\\" * n}


@pytest.mark.parametrize("rewrite", [rewrite, cuda_rewrite, swizzles])
@pytest.mark.parametrize("what", LONG)
def test_time_is_linear_in_the_text(rewrite, what):
    source = (
        "threadgroup float{0} s[3];{0} float4{0} v(1, 2, 3, 4); y[0] ={0} (half4){0} x.xy[0]; z = float4({0}a < b);{0}"
        "float4{0} v(1){0}, w ={0} a{0} < b{0}, c({0}d);{0}"
    )
    assert_linear(lambda n: rewrite(source.replace("{0}", LONG[what](n))), 10_000)
