"""Address spaces, threadgroup memory, packed types in memory, and MLX's helpers for indexing and complex numbers."""

import mlx.core as mx
import numpy as np
import pytest
from oracle import first
from run import LANES, METAL, once, run, table

ELEMENTS = [t for t in METAL if t != mx.bool_]


@pytest.mark.parametrize("width", first(1, [3, 2, 4], "each width and type is a program of its own"))
def test_packed_vectors_in_memory(width):
    for dtype in ELEMENTS:
        t = METAL[dtype]
        data = mx.array(np.arange(1, 1 + LANES * width) % 11).astype(dtype)
        source = f"""const device packed_{t}{width}* p = (const device packed_{t}{width}*)a;
        device packed_{t}{width}* q = (device packed_{t}{width}*)out;
        {t}{width} v = p[i]; v = v + {t}{width}(p[31 - i]); q[i] = v; q[i].y = p[i][0]; packed_{t}{width} k = p[i];
        k += v; q[i][0] = k.x;"""
        found = run(source, data, shape=(LANES, width), dtype=dtype)
        x = np.array(data.astype(mx.float32)).reshape(LANES, width)
        want = x + x[::-1]
        want[:, 0] += x[:, 0]
        want[:, 1] = x[:, 0]
        np.testing.assert_array_equal(found, want.astype(found.dtype), err_msg=t)


PACKED = {
    "arithmetic": ("(p * 2.0f + p - float3(1) * -p).z", 12),
    "constructor": ("packed_float3(4, 5, 6).y", 5),
    "of a vector": ("packed_float3(float3(7)).z", 7),
    "of parts": ("packed_half3(half2(1, 2), 3h).z", 3),
    "to vector": ("float3(p).y + float4(p, 9).w", 11),
    "dot": ("dot(float3(p), float3(p))", 14),
    "compound": ("(r = p, r *= 2.0f, r -= float3(1), r.x)", 1),
    "packed_float4": ("packed_float4(1, 2, 3, 4).w + packed_float2(5).x", 9),
    "vec of packed": ("vec<float, 4>(1, p).w", 3),
    "from constant": ("(r = ((const constant packed_float3*)c)[1], r.x)", 3),
    "vector from constant": ("float3(((const constant packed_float3*)c)[0]).z", 2),
    "converted": ("float(packed_int3(3, 4, 5).z) + float(int3(p).x)", 6),
}


@once
def packed():
    source = "packed_float3 p = packed_float3(1, 2, 3), r;\n"
    source += "".join(
        f"out[{k * LANES} + i] = {e.replace('3h', '3.0h')};\n" for k, (e, _) in enumerate(PACKED.values())
    )
    out = run(
        source,
        np.zeros(8, np.float32),
        np.zeros(8, np.float32),
        np.arange(6, dtype=np.float32),
        shape=(len(PACKED), LANES),
    )
    return dict(zip(PACKED, out))


@pytest.mark.parametrize("name", PACKED)
def test_packed(name):
    np.testing.assert_array_equal(packed()[name], PACKED[name][1])


def test_vector_pointers():
    x = np.arange(4 * LANES, dtype=np.float32)
    found = run(
        "const device float4* p = (const device float4*)a; ((device float4*)out)[i] = p[i].wzyx * 2;",
        x,
        shape=(LANES, 4),
    )
    np.testing.assert_array_equal(found, 2 * x.reshape(LANES, 4)[:, ::-1])


def test_threadgroup_reversal():
    x = np.arange(256, dtype=np.float32)
    source = (
        "threadgroup float s[256]; s[i] = a[i]; threadgroup_barrier(mem_flags::mem_threadgroup); out[i] = s[255 - i];"
    )
    np.testing.assert_array_equal(run(source, x, shape=(256,), threads=256), x[::-1])


def test_threadgroup_of_vectors_and_structs():
    header = "struct Pair { float value; int index; };\n"
    source = """threadgroup Pair best[64]; threadgroup half4 v[64]; best[i] = {a[i], int(i)}; v[i] = half4(a[i]);
    for (uint n = 32; n > 0; n /= 2) { threadgroup_barrier(mem_flags::mem_threadgroup);
      if (i < n && best[i + n].value > best[i].value) best[i] = best[i + n]; }
    threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device);
    out[i] = best[0].index + float(v[63 - i].z);"""
    x = np.random.default_rng(0).permutation(64).astype(np.float32)
    np.testing.assert_array_equal(run(source, x, shape=(64,), threads=64, header=header), x.argmax() + x[::-1])


def test_threadgroup_pointers_in_helpers():
    header = """template <typename P> METAL_FUNC float total(P p, int n) { float s = 0; for (int k = 0; k < n;
    ++k) s += p[k]; return s; }
    METAL_FUNC void put(threadgroup float* p, thread const float& x, uint at) { p[at] = x; }
    METAL_FUNC float first(const device float* p) { return p[0]; }"""
    source = """threadgroup float s[32]; float mine[4] = {1, 2, 3, 4}; put(s, a[i], i);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = total(s, 32) + total(a, 32) + total(mine, 4) + total(&mine[1], 1) + first(a + 3) + total(c, 3);"""
    x = np.arange(32, dtype=np.float32)
    found = run(source, x, np.zeros(1, np.float32), np.array([5, 6, 7], np.float32), header=header)
    np.testing.assert_array_equal(found, 2 * x.sum() + 10 + 2 + 3 + 18)


def test_threadgroup_variables_in_nested_scopes():
    source = """float r = 0;
    for (int k = 0; k < 3; ++k) {
      threadgroup float s[32], t[32];  // threadgroup float not_this[3];
      s[i] = a[i] + k; t[i] = k;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      r += s[31 - i] + t[i];
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (r >= 0) {
      threadgroup float s; threadgroup vec<float, 4> v[2];
      if (i == 0) { s = 100; v[1] = float4(7); }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      r += s + v[1].w;
    }
    out[i] = r;"""
    x = np.arange(32, dtype=np.float32)
    np.testing.assert_array_equal(run(source, x), 3 * x[::-1] + 3 + 3 + 107)


def test_device_memory_between_threads_of_a_group():
    source = """out[i] = a[i] * 2; threadgroup_barrier(mem_flags::mem_device); float x = out[63 - i];
    threadgroup_barrier(mem_flags::mem_device); out[i] = x + 1;"""
    x = np.arange(64, dtype=np.float32)
    np.testing.assert_array_equal(run(source, x, shape=(64,), threads=64), 2 * x[::-1] + 1)


def test_simdgroup_barrier():
    source = """threadgroup float s[64]; s[i] = a[i]; simdgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = s[i ^ 1] + s[i / 32 * 32 + 31 - i % 32];"""
    x = np.arange(64, dtype=np.float32)
    k = np.arange(64)
    np.testing.assert_array_equal(run(source, x, shape=(64,), threads=64), x[k ^ 1] + x[k // 32 * 32 + 31 - k % 32])


def test_references_and_pointers_to_device_memory():
    source = """device float& r = out[i]; r = a[i]; r += 1; device float* p = &r; *p *= 2;
    const device float& q = a[i]; thread float x = q; out[i] += x;"""
    x = np.arange(32, dtype=np.float32)
    np.testing.assert_array_equal(run(source, x), 2 * (x + 1) + x)


def test_float_bits_through_pointers():
    source = """const device uint* p = reinterpret_cast<const device uint*>(a); float y = a[i];
    thread uint& u = reinterpret_cast<thread uint&>(y); out[i] = (p[i] >> 23) + (u & 1u);"""
    x = np.arange(1, 33, dtype=np.float32) / 3
    bits = x.view(np.uint32)
    np.testing.assert_array_equal(run(source, x), (bits >> 23) + (bits & 1))


def test_bool_arrays():
    x = np.arange(LANES) % 3 == 0
    source = """threadgroup bool s[32]; s[i] = a[i]; threadgroup_barrier(mem_flags::mem_threadgroup);
    out[i] = !s[31 - i] || a[0] && i == 0;"""
    want = ~x[::-1]
    want[0] |= x[0]
    np.testing.assert_array_equal(run(source, x, dtype=mx.bool_), want)


def test_elem_to_loc():
    shape, strides = (4, 3, 5, 2), (40, 7, 3, 1)
    x = mx.as_strided(mx.arange(400), shape, strides)
    source = """out[i] = elem_to_loc(i, a_shape, a_strides, a_ndim); uint3 e = uint3(i % 2, i / 2 % 5, i / 10);
    out[120 + i] = elem_to_loc(e, a_shape, a_strides, a_ndim) + a[0];
    out[240 + i] = elem_to_loc_2(uint2(i % 2, i / 2 % 5), a_strides + 2)
        + elem_to_loc_1(i / 10 % 3, a_strides[1]) + 40 * (i / 30);
    out[360 + i] = elem_to_loc_3(uint3(i % 2, i / 2 % 5, i / 10 % 3), a_strides + 1) + 40 * (i / 30);
    out[480 + i] = elem_to_loc_2_nd(e, a_shape, a_strides, a_strides, a_ndim).y;"""
    found = run_strided(source, x, (5, 120))
    want = sum(s * k for s, k in zip(strides, np.unravel_index(np.arange(120), shape)))
    for row in found:
        np.testing.assert_array_equal(row, want)


def run_strided(source, x, shape):
    import loader

    kernel = loader.metal_kernel(
        name="strided",
        input_names=["a"],
        output_names=["out"],
        ensure_row_contiguous=False,
        source="uint i = thread_position_in_grid.x;\n" + source,
    )
    return np.array(
        kernel(inputs=[x], output_shapes=[shape], output_dtypes=[mx.int32], grid=(120, 1, 1), threadgroup=(120, 1, 1))[
            0
        ]
    )


HELPERS = {
    "ceildiv(17, 4)": 5,
    "ceildiv(16, 4)": 4,
    "Limits<int>::max == 2147483647 ? 1 : 0": 1,
    "Limits<float>::min": -np.inf,
    "Limits<half>::max": np.inf,
    "Limits<float>::finite_max": np.finfo(np.float32).max,
    "Limits<bool>::max": 1,
    "WorkPerThread<half>::n": 4,
    "cast_to<bool>(0.5f)": 1,
    "bfloat16_to_uint16(uint16_to_bfloat16(0x3f80))": 0x3F80,
    "uint16_to_bfloat16(0x3fc0)": 1.5,
    "cast_to<int>(2.75f)": 2,
    "is_same_v<ConditionalType<true, float, int>::type, float>": 1,
    "Limits<complex64_t>::max.imag": np.inf,
}


@once
def helpers():
    return table({n: n for n in HELPERS})


@pytest.mark.parametrize("name", HELPERS)
def test_helper(name):
    assert helpers()[name][0] == np.float32(HELPERS[name])


Z = (np.arange(LANES) - 11.5 + 1j * (np.arange(LANES)[::-1] % 5 - 1.5)).astype(np.complex64)
W = (np.roll(Z, 7) + 0.25j).astype(np.complex64)
COMPLEX = {
    "z + w": Z + W,
    "z - w": Z - W,
    "z * w": Z * W,
    "z / w": Z / W,
    "-z": -Z,
    "z * 2.0f": Z * 2,
    "1 - z": 1 - Z,
    "3.0f / z": 3 / Z,
    "complex64_t(z.imag, z.real)": Z.imag + 1j * Z.real,
    "complex64_t(5)": np.full(LANES, 5),
    "(z += w, z * 1.0f)": Z + W,
    "(z = 3, z)": np.full(LANES, 3),
    "(z = float2(1, 2), z)": np.full(LANES, 1 + 2j),
    "z < w ? z : w": np.where((Z.real < W.real) | ((Z.real == W.real) & (Z.imag < W.imag)), Z, W),
    "z == w ? -w : -z": -Z,
    "log1p(z)": np.log1p(Z.astype(np.complex128)),
    "complex64_t(float2(z.real, z.imag).yx)": Z.imag + 1j * Z.real,
    "complex64_t(float(z), 1)": Z.real + 1j,
    "small[i % 3]": W[np.arange(LANES) % 3],
    "simd_sum(z)": np.full(LANES, Z.sum()),
    "simd_shuffle_up(z, 1)": Z[[0, *range(LANES - 1)]],
}


@once
def complex_results():
    lines = [
        f"{{ complex64_t z = a[i], w = b[i]; out[{k * LANES} + i] = {e.replace('small', 'c')}; }}"
        for k, e in enumerate(COMPLEX)
    ]
    out = run("\n".join(lines), Z, W, W[:3], shape=(len(COMPLEX), LANES), dtype=mx.complex64)
    return dict(zip(COMPLEX, out))


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name):
    np.testing.assert_allclose(complex_results()[name], COMPLEX[name], rtol=2e-6, atol=2e-6)
