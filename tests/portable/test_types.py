"""Scalar types, their conversions, limits, traits, and the words of the language."""

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, run, table

import loader

TYPES = list(METAL)
FLOATS = [mx.float32, mx.float16, mx.bfloat16]
INTEGERS = [t for t in TYPES if t not in (*FLOATS, mx.bool_)]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type_in_and_out(dtype):
    x = mx.array(np.arange(LANES) % 3).astype(dtype)
    got = run("out[i] = a[i];", x, dtype=dtype)
    np.testing.assert_array_equal(got, np.array(x.astype(mx.float32)).astype(got.dtype))


@once
def sizes():
    names = [
        *METAL.values(),
        "size_t",
        "ptrdiff_t",
        "int8_t",
        "uint8_t",
        "int16_t",
        "uint16_t",
        "int32_t",
        "uint32_t",
        "int64_t",
        "uint64_t",
        "float2",
        "float3",
        "float4",
        "half3",
        "bfloat2",
        "char3",
        "long4",
        "packed_float2",
        "packed_float3",
        "packed_float4",
        "packed_half3",
        "packed_uchar3",
        "packed_bfloat3",
        "packed_int3",
        "float2x2",
        "float3x3",
        "float4x3",
        "half4x4",
        "complex64_t",
        "atomic_int",
        "atomic_float",
        "atomic_ulong",
        "bool4",
        "float16_t",
        "bfloat16_t",
    ]
    return {name: v[0] for name, v in table({n: f"sizeof({n})" for n in names}, dtype=mx.int32).items()}


def test_sizes():
    assert sizes() == {
        "float": 4,
        "half": 2,
        "bfloat": 2,
        "char": 1,
        "uchar": 1,
        "short": 2,
        "ushort": 2,
        "int": 4,
        "uint": 4,
        "long": 8,
        "ulong": 8,
        "bool": 1,
        "size_t": 8,
        "ptrdiff_t": 8,
        "int8_t": 1,
        "uint8_t": 1,
        "int16_t": 2,
        "uint16_t": 2,
        "int32_t": 4,
        "uint32_t": 4,
        "int64_t": 8,
        "uint64_t": 8,
        "float2": 8,
        "float3": 16,
        "float4": 16,
        "half3": 8,
        "bfloat2": 4,
        "char3": 4,
        "long4": 32,
        "packed_float2": 8,
        "packed_float3": 12,
        "packed_float4": 16,
        "packed_half3": 6,
        "packed_uchar3": 3,
        "packed_bfloat3": 6,
        "packed_int3": 12,
        "float2x2": 16,
        "float3x3": 48,
        "float4x3": 64,
        "half4x4": 32,
        "complex64_t": 8,
        "atomic_int": 4,
        "atomic_float": 4,
        "atomic_ulong": 8,
        "bool4": 4,
        "float16_t": 2,
        "bfloat16_t": 2,
    }


# Ties, subnormals, overflow, infinities: where rounding goes wrong first.
HARD = np.array(
    [
        1 + 2**-8,
        1 + 3 * 2**-8,
        1 + 2**-11,
        1 + 3 * 2**-11,
        65519.9,
        65520,
        1e-7,
        6e-8,
        2**-25,
        3e38,
        3.4e38,
        1e-40,
        1e-38,
        np.inf,
        -np.inf,
        np.nan,
        -0.0,
        -2.5,
        0.1,
        1e5,
        -1e-4,
        7.77,
        1.999,
        257,
        259,
        2049,
        2051,
        -65504,
        1e-45,
        2**-133,
        3 * 2.0**-134,
        5e-5,
    ],
    np.float32,
)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16], ids=str)
def test_narrowing_rounds_to_nearest_even(dtype):
    name = METAL[dtype]
    probes = {
        "cast": f"float(({name})x)",
        "static_cast": f"float(static_cast<{name}>(x))",
        "vector": f"float({name}2(x, x).y)",
        "constructor": f"float({name}(x))",
        "convert": f"float({name}4(float4(x)).w)",
    }
    want = np.array(mx.array(HARD).astype(dtype).astype(mx.float32))
    # What becomes of bfloat16's subnormals is the processor's to say: those with instructions for it flush them.
    free = (np.abs(want) < 2.0**-126) & (dtype == mx.bfloat16 and loader.backend() == "opencl")
    for form, got in table(probes, HARD, setup="float x = a[i];").items():
        got = np.where(free & (np.abs(got) < 2.0**-126), want, got)
        np.testing.assert_array_equal(got, want, err_msg=form)


@once
def conversions():
    probes = {
        "half to bfloat": "float(static_cast<bfloat>(static_cast<half>(x)))",
        "bfloat to half": "float(static_cast<half>(static_cast<bfloat>(x)))",
        "float to int": "float(int(x))",
        "float to uchar": "float(uchar(abs(x)))",
        "int to half": "float(half(n))",
        "int to bfloat": "float(bfloat(n))",
        "float to bool": "float(bool(x))",
        "long to float": "float(long(n) * 1000000007l)",
        "as_type": "as_type<float>(as_type<uint>(x) ^ 0x80000000u)",
        "as_type half": "float(as_type<half2>(as_type<uint>(half2(x, 2 * x))).y)",
        "as_type bfloat": "as_type<float>(uint(as_type<ushort>(bfloat(x))) << 16)",
        "bfloat arithmetic": "float(bfloat(bfloat(x) * bfloat(1.5f)))",
        "half arithmetic": "float(half(half(x) / half(3.0f)))",
        "half literal": "float(half(x) * 0.5h)",
        "bfloat literal": "float(bfloat(x) * 0.5bf)",
        "compound bfloat": "(y += bfloat(1.0f), y *= bfloat(2.0f), float(y))",
    }
    x = np.linspace(-97.3, 98.1, LANES).astype(np.float32)
    n = np.arange(LANES, dtype=np.int32) * 2003 - 30000
    return x, n, table(probes, x, n, setup="float x = a[i]; int n = b[i]; bfloat y = bfloat(x);")


def to(x, dtype):
    return np.array(mx.array(x, dtype=mx.float32).astype(dtype).astype(mx.float32))


CONVERSIONS = {
    "half to bfloat": lambda x, n: to(to(x, mx.float16), mx.bfloat16),
    "bfloat to half": lambda x, n: to(to(x, mx.bfloat16), mx.float16),
    "float to int": lambda x, n: np.trunc(x),
    "float to uchar": lambda x, n: np.trunc(np.abs(x)),
    "int to half": lambda x, n: to(n, mx.float16),
    "int to bfloat": lambda x, n: to(n, mx.bfloat16),
    "float to bool": lambda x, n: x != 0,
    "long to float": lambda x, n: (n.astype(np.int64) * 1000000007).astype(np.float32),
    "as_type": lambda x, n: -x,
    "as_type half": lambda x, n: to(2 * x, mx.float16),
    "as_type bfloat": lambda x, n: to(x, mx.bfloat16),
    "bfloat arithmetic": lambda x, n: to(to(x, mx.bfloat16) * np.float32(1.5), mx.bfloat16),
    "half arithmetic": lambda x, n: to(to(x, mx.float16) / np.float32(3), mx.float16),
    "half literal": lambda x, n: to(to(x, mx.float16) / 2, mx.float16),
    "bfloat literal": lambda x, n: to(x, mx.bfloat16) / 2,
    "compound bfloat": lambda x, n: to(to(to(x, mx.bfloat16) + 1, mx.bfloat16) * 2, mx.bfloat16),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversion(name):
    x, n, found = conversions()
    np.testing.assert_array_equal(found[name], np.float32(CONVERSIONS[name](x, n)))


def test_every_bfloat_and_the_floats_around_it():
    """Rounded as MLX rounds them, ties to the even one, and read back unchanged; a NaN stays one."""
    bits = np.arange(1 << 16, dtype=np.uint32) << 16
    x = mx.array((bits[:, None] | np.array([0, 1, 0x7FFF, 0x8000, 0x8001], np.uint32)).ravel().view(np.float32))
    kernel = loader.metal_kernel(
        "round",
        ["x"],
        ["y", "z"],
        "uint i = thread_position_in_grid.x; y[i] = static_cast<bfloat>(x[i]); z[i] = static_cast<float>(y[i]);",
    )
    y, z = kernel(
        inputs=[x],
        output_shapes=[x.shape] * 2,
        output_dtypes=[mx.bfloat16, mx.float32],
        grid=(x.size, 1, 1),
        threadgroup=(256, 1, 1),
    )
    want = np.array(x.astype(mx.bfloat16).astype(mx.float32))
    np.testing.assert_array_equal(np.array(y.astype(mx.float32)), want)
    np.testing.assert_array_equal(np.array(z), want)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS], ids=str)
def test_numeric_limits(dtype):
    name = METAL[dtype]
    limits = f"numeric_limits<{name}>"
    probes = {n: f"{limits}::{n}()" for n in ("max", "lowest", "min", "epsilon")}
    probes |= {
        "digits": f"{limits}::digits",
        "signed": f"{limits}::is_signed",
        "of a variable": "numeric_limits<decltype(y)>::max()",
        "Limits": f"Limits<{name}>::finite_max",
        "floating": f"{limits}::has_infinity",
    }
    got = {n: v[0] for n, v in table(probes, dtype=dtype, setup=f"{name} y = 0;").items()}
    if dtype in FLOATS:
        info = mx.finfo(dtype)
        digits = {mx.float32: 24, mx.float16: 11, mx.bfloat16: 8}[dtype]
        tiny = {mx.float32: 2.0**-126, mx.float16: 2.0**-14, mx.bfloat16: 2.0**-126}[dtype]
        want = dict(
            max=info.max, lowest=info.min, min=tiny, epsilon=2.0 ** (1 - digits), digits=digits, signed=1, floating=1
        )
    else:
        info = mx.iinfo(dtype)
        size = np.iinfo(str(dtype).split(".")[-1]).bits
        want = dict(
            max=info.max,
            lowest=info.min,
            min=info.min,
            epsilon=0,
            digits=size - (info.min < 0),
            signed=info.min < 0,
            floating=0,
        )
    want |= {"of a variable": info.max, "Limits": info.max}
    assert {n: v.item() for n, v in got.items()} == want


TRAITS = {
    "is_same_v<int, int32_t> && !is_same_v<int, uint>": True,
    "is_same<half, float16_t>::value": True,
    "is_floating_point_v<bfloat> && is_floating_point_v<half> && !is_floating_point_v<int>": True,
    "is_integral_v<bool> && is_integral_v<uchar> && !is_integral_v<half>": True,
    "is_arithmetic_v<bfloat> && !is_arithmetic_v<float2>": True,
    "is_signed_v<long> && !is_signed_v<ulong>": True,
    "is_unsigned_v<ushort>": True,
    "is_same_v<conditional_t<true, float, int>, float>": True,
    "is_same_v<conditional_t<(sizeof(half) > 2), float, int>, int>": True,
    "is_same_v<remove_cv_t<const float>, float>": True,
    "is_same_v<remove_reference_t<float&>, float>": True,
    "is_same_v<make_unsigned_t<int>, uint>": True,
    "is_same_v<make_signed_t<ulong>, long>": True,
    "is_same_v<vec<half, 4>, half4>": True,
    "is_same_v<enable_if_t<true, char>, char>": True,
    "is_convertible_v<int, float> && !is_convertible_v<float4, float>": True,
    "is_pointer_v<device float*>": True,
    "integral_constant<int, 7>::value == 7": True,
    "false_type::value": False,
    "conjunction_v<true_type, false_type>": False,
    "disjunction_v<true_type, false_type>": True,
    "is_vector_v<float3>": True,
    "is_scalar_v<half> && is_enum_v<mem_flags> && is_class_v<packed_float3>": True,
    "is_complex_v<complex64_t>": True,
}


@once
def traits():
    return table({name: f"({name}) ? 1 : 0" for name in TRAITS}, dtype=mx.int32)


@pytest.mark.parametrize("name", TRAITS)
def test_trait(name):
    assert bool(traits()[name][0]) == TRAITS[name]


LANGUAGE = {
    "templates and enable_if": (
        """template <typename T, enable_if_t<is_floating_point_v<T>, bool> = true> int kind(T) { return 1; }
        template <typename T, enable_if_t<is_integral_v<T>, bool> = true> int kind(T) { return 2; }""",
        "kind(a[i]) * 10 + kind(i)",
        12,
    ),
    "functors": (
        "struct Twice { template <typename T> T operator()(T x) { return x + x; } };",
        "Twice{}(3.5f) + Twice()(int(2))",
        11,
    ),
    "constexpr constant": ("constexpr constant float table_[3] = {1, 2, 4}; constant int k_ = 2;", "table_[k_]", 4),
    "static constexpr member": (
        "template <int N> struct S { static constexpr constant int n = N * 2; };",
        "S<21>::n",
        42,
    ),
    "lambda": ("", "[&](float x) { return x + a[0]; }(1.5f)", 1.5),
    "METAL_FUNC and thread": (
        "METAL_FUNC void add_one(thread float& x, thread const float* y) { x += *y; }",
        "(add_one(z, &z), z)",
        2,
    ),
    "struct methods": (
        "struct P { float x; METAL_FUNC float get() const thread { return x; } void set(float v) thread { x = v; } };",
        "(p.set(3), p.get())",
        3,
    ),
    "reserved words": (
        "METAL_FUNC int sum_of(int local, int global, int generic) { return local + global + generic; }",
        "sum_of(1, 2, 3)",
        6,
    ),
    "if constexpr": (
        "template <typename T> int size_of() { if constexpr (sizeof(T) == 2) return 2; else return 0; }",
        "size_of<half>()",
        2,
    ),
    "variadic": (
        "template <typename... T> float all_of(T... x) { return (float(x) + ...); }",
        "all_of(1, 2.5f, 3u)",
        6.5,
    ),
    "array": ("", "(arr[1] = 4, arr[0] = 1, arr[2] = 0, arr[0] + arr[1] + arr.size())", 8),
    "fill of array": ("", "(arr.fill(2.0f), arr.front() + arr.back() + *(arr.begin() + 1))", 6),
    "swap": ("", "(swap(z, w_), z * 10 + w_)", 51),
    "enum class": ("enum class Mode : uint { a = 3, b };", "static_cast<uint>(Mode::b)", 4),
    "os_log": ("", '(os_log_default.log("%d", 3), 5)', 5),
    "namespace": (
        "namespace mine { using namespace metal; float4 make() { return float4(1, 2, 3, 4); } }",
        "mine::make().w + metal::float2(3).x",
        7,
    ),
}


@once
def language():
    header = "using namespace metal;\n" + "\n".join(h for h, _, _ in LANGUAGE.values())
    setup = "float z = 1, w_ = 5; P p{1}; array<float, 3> arr;"
    return table({n: e for n, (_, e, _) in LANGUAGE.items()}, np.zeros(LANES, np.float32), header=header, setup=setup)


@pytest.mark.parametrize("name", LANGUAGE)
def test_language(name):
    if name == "swap":  # others change z in the same kernel
        assert run("float z = 1, w = 5; swap(z, w); out[i] = z * 10 + w;")[0] == LANGUAGE[name][2]
    else:
        assert language()[name][0] == LANGUAGE[name][2]


INCLUDES = """metal_stdlib metal_simdgroup metal_simdgroup_matrix metal_atomic metal_math metal_compute metal_common
metal_integer metal_geometric metal_relational metal_matrix metal_types metal_pack metal_limits metal_type_traits
metal_array metal_uniform metal_quadgroup metal_numeric metal_logging simd/simd.h mlx/backend/metal/kernels/utils.h
mlx/backend/metal/kernels/bf16.h mlx/backend/metal/kernels/bf16_math.h mlx/backend/metal/kernels/complex.h
mlx/backend/metal/kernels/defines.h mlx/backend/metal/kernels/erf.h mlx/backend/metal/kernels/expm1f.h""".split()


def test_includes():
    header = "".join(f"#include <{name}>\n" for name in INCLUDES) + "using namespace metal;\n"
    assert run("out[i] = simd::float4(3).x;", header=header)[0] == 3
