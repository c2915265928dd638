"""Vectors and matrices: constructors, swizzles, operators, geometry, packing."""

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, run, table

ELEMENTS = [t for t in METAL if t != mx.bool_]


def inputs():
    x = np.linspace(0.5, 9.5, LANES).astype(np.float32)
    return x, x[::-1].copy() - 4


@pytest.mark.parametrize("dtype", ELEMENTS, ids=str)
def test_constructors_of_every_element(dtype):
    t = METAL[dtype]
    probes = {
        "splat": f"{t}4(s).z + {t}2(s).y",
        "scalars": f"{t}4(1, 2, 3, s).w",
        "pair and scalars": f"{t}4({t}2(1, 2), 3, s).y",
        "scalar and triple": f"{t}4(9, {t}3(1, 2, s)).w",
        "pairs": f"{t}4({t}2(1, s), {t}2(3, 4)).y",
        "triple": f"{t}3(s, 2, 3).x",
        "empty": f"{t}3().y",
        "converted": f"{t}3(float3(1.75f, 2.25f, 3.0f)).z",
        "from int": f"{t}2(int2(5, 6)).y",
        "vec": f"vec<{t}, 4>(1, s, 3, 4).y",
        "vec of vec": f"metal::vec<{t}, 3>(vec<{t}, 2>(1, 2), s).z",
        "braces": f"vec<{t}, 2>{{1, s}}.y",
        "alias": "V(1, 2, s).z",
        "qualified": f"metal::{t}2(1, s).y",
        "C cast": f"(({t}4)(f4 + 1.0f)).y + (({t}4)f4.xyzw).x",
        "static_cast": f"static_cast<{t}4>(f4).z",
        "static_cast of an element": f"static_cast<{t}>(f4.z) + static_cast<{t}>(f4[3])",
        "swizzle": f"{t}4(1, 2, 3, s).wzyx.x",
        "colours": f"{t}4(1, 2, s, 4).rgb.b",
        "nested": f"{t}4({t}4(s).xy, {t}4(7).zw).z",
    }
    setup = f"using V = vec<{t}, 3>; {t} s = a[i]; float4 f4 = float4(1, 2, 3, 4); s = s + 0;"
    found = {
        n: float(v[3]) for n, v in table(probes, mx.full((LANES,), 6, dtype=dtype), dtype=dtype, setup=setup).items()
    }
    assert found == {
        "splat": 12,
        "scalars": 6,
        "pair and scalars": 2,
        "scalar and triple": 6,
        "pairs": 6,
        "triple": 6,
        "empty": 0,
        "converted": 3,
        "from int": 6,
        "vec": 6,
        "vec of vec": 6,
        "braces": 6,
        "alias": 6,
        "qualified": 6,
        "C cast": 4,
        "static_cast": 3,
        "static_cast of an element": 7,
        "swizzle": 6,
        "colours": 6,
        "nested": 7,
    }


OPERATORS = {
    "arithmetic": ("(v * w + v / w - 2.0f).y", lambda x, y: x * y + x / y - 2),
    "compound": ("(u = v, u += w, u *= 2.0f, u.x)", lambda x, y: (x + y) * 2),
    "negation": ("(-v).z", lambda x, y: -x),
    "swizzle store": ("(u = v, u.xz = w.yw, u.z)", lambda x, y: y),
    "subscript": ("(u = v, u[i % 4] = 1.0f, u[i % 4] + v[(i + 1) % 4])", lambda x, y: x + 1),
    "dot": ("dot(v, w)", lambda x, y: 4 * x * y),
    "length": ("length(v) + length_squared(v.xy)", lambda x, y: 2 * x + 2 * x * x),
    "distance": (
        "distance(v.xyz, w.xyz) + distance_squared(v.xy, w.xy)",
        lambda x, y: np.sqrt(3) * abs(x - y) + 2 * (x - y) ** 2,
    ),
    "normalize": ("normalize(v.xyz).y", lambda x, y: np.full_like(x, 1 / np.sqrt(3))),
    "cross": ("cross(float3(s, t, 1), float3(2, s, t)).z", lambda x, y: x * x - 2 * y),
    "reflect": ("reflect(float2(s, t), float2(0, 1)).y", lambda x, y: -y),
    "refract": ("refract(float2(0, -1), float2(0, 1), 0.5f).y", lambda x, y: np.full_like(x, -1)),
    "faceforward": ("faceforward(v, w, float4(1)).x", lambda x, y: np.where(y < 0, x, -x)),
    "half dot": ("float(dot(half4(0.5h), half4(s)))", lambda x, y: np.float16(2 * np.float32(np.float16(x)))),
    "bfloat length": ("float(length(bfloat2(3, 4)))", lambda x, y: np.full_like(x, 5)),
    "mix": ("mix(v, w, 0.25f).x", lambda x, y: x + (y - x) / 4),
    "clamp": ("clamp(v, 1.0f, 4.0f).x + metal::clamp(v, 1.0f, 4.0f).y", lambda x, y: 2 * np.clip(x, 1, 4)),
    "step": ("step(2.0f, v).x", lambda x, y: (x >= 2) * 1.0),
    "max": ("max(v, w).x + metal::min(v, w).y", lambda x, y: x + y),
    "smoothstep": ("smoothstep(float4(0), float4(10), v).x", lambda x, y: (x / 10) ** 2 * (3 - 2 * x / 10)),
    "sincos": ("(sincos(v, u).x, u.y)", lambda x, y: np.cos(x)),
    "fma": ("fma(v, w, v).z", lambda x, y: x * y + x),
    "select": ("select(v, w, v < w).x", lambda x, y: np.maximum(x, y)),
    "select with bool4": ("select(v, w, bool4(true, false, true, false)).x", lambda x, y: y),
    "any": ("any(v > 9.0f) ? 1 : 0", lambda x, y: (x > 9) * 1.0),
    "all": ("all(v > w) ? 1 : 0", lambda x, y: (x > y) * 1.0),
    "bool4 of comparison": ("(q = v > w, float(q.x) + float(q.w))", lambda x, y: (x > y) * 2.0),
    "bool4 of half comparison": (
        "(q = half4(v) > half4(w), float(q.y))",
        lambda x, y: (np.float16(x) > np.float16(y)) * 1.0,
    ),
    "bool4 logic": (
        "(q = (bool4(v > w) && !bool4(v > 5.0f)) || bool4(false), float(q.z))",
        lambda x, y: ((x > y) & ~(x > 5)) * 1.0,
    ),
    "bool4 in place": (
        "(q = v > w, q &= v < w + 3.0f, q ^= bool4(true), float(q.x))",
        lambda x, y: ~((x > y) & (x < y + 3)),
    ),
    "comparison beside bool4": ("(q = bool4(true, false, true, false), float(((v > w) & q).x))", lambda x, y: x > y),
    "float4 of bool4": ("(q = v > w, float4(q).x + float(int4(q).y))", lambda x, y: (x > y) * 2.0),
    "isnan": ("isnan(float2(s, NAN)).y && !isnan(float2(s, NAN)).x ? s : 0.0f", lambda x, y: x),
    "array of vectors": ("(list[i % 3] = v, list[i % 3].w)", lambda x, y: x),
    "vector of template": ("twice(half3(1, 2, 3)).z + twice(v).x", lambda x, y: 6 + 2 * x),
    "as_type": ("float(as_type<uchar4>(0x04030201u).z)", lambda x, y: np.full_like(x, 3)),
    "int shifts": ("float(((int4(1, 2, 3, 4) << 2) >> int4(1)).w)", lambda x, y: np.full_like(x, 8)),
    "uint3 arithmetic": ("float((uint3(7, 8, 9) / 2u % uint3(3)).z)", lambda x, y: np.full_like(x, 1)),
}


@once
def operators():
    header = "using namespace metal;\ntemplate <typename T, int N> vec<T, N> twice(vec<T, N> v) { return v + v; }\n"
    setup = "float s = a[i], t = b[i]; float4 v = float4(s), w = float4(t), u; bool4 q; float4 list[3];"
    return table({n: e for n, (e, _) in OPERATORS.items()}, *inputs(), header=header, setup=setup)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name):
    x, y = inputs()
    np.testing.assert_allclose(operators()[name], np.float32(OPERATORS[name][1](x, y)), rtol=2e-6, atol=1e-5)


DECLARED = {
    "constructors": ("float4 u(s), v(t, s, float2(1, 2));", "u.y + v.x * v.w", lambda x, y: x + 2 * y),
    "initialisers": (
        "float4 u(s), w = select(u, float4(t), u > t), q[2], r; r = w; q[1] = r;",
        "q[1].z",
        lambda x, y: np.where(x > y, y, x),
    ),
    "products": ("float2 u(s * t, t * s), v(u);", "u.x + v.y", lambda x, y: 2 * x * y),
    "other elements": (
        "int2 n(7, 8); half2 u(n), v(float2(s, 1));",
        "float(u.y + v.x)",
        lambda x, y: np.float16(x) + 8,
    ),
    "vec": ("vec<float, 3> u(s, 1, 2), v(half3(3));", "u.x + v.z", lambda x, y: x + 3),
    "a loop": ("float n = 0; for (float2 u(0), v(s, t); u.x < 2; u += 1) n += v.y;", "n", lambda x, y: 2 * y),
}


@once
def declared():
    lines = (f"{{ {line} out[{k * LANES} + i] = {e}; }}" for k, (line, e, _) in enumerate(DECLARED.values()))
    found = run("float s = a[i], t = b[i];\n" + "\n".join(lines), *inputs(), shape=(len(DECLARED), LANES))
    return dict(zip(DECLARED, found))


@pytest.mark.parametrize("name", DECLARED)
def test_variables_declared_at_once(name):
    np.testing.assert_allclose(declared()[name], np.float32(DECLARED[name][2](*inputs())), rtol=1e-3, atol=1e-5)


def matrix(columns, rows, seed=0):
    return np.random.default_rng(seed).integers(-4, 5, (rows, columns)).astype(np.float32)


def literal(m, t="float"):
    """A matrix as MSL writes it, by columns."""
    return f"{t}{m.shape[1]}x{m.shape[0]}(" + ", ".join(str(float(x)) for x in m.T.ravel()) + ")"


MATRICES = {
    "product": lambda a, b, s: (f"{literal(a)} * {literal(b)}", a @ b),
    "transpose": lambda a, b, s: (f"transpose({literal(a)})", a.T),
    "sum": lambda a, b, s: (f"{literal(a)} + {literal(2 * a)} - {literal(a * a)}", 3 * a - a * a),
    "scaled": lambda a, b, s: (f"2.0f * {literal(a)} * 3", 6 * a),
    "negative": lambda a, b, s: (f"-{literal(a)}", -a),
    "diagonal": lambda a, b, s: (f"float{a.shape[1]}x{a.shape[0]}(3.0f)", 3 * np.eye(*a.shape, dtype=np.float32)),
    "half": lambda a, b, s: (f"float{a.shape[1]}x{a.shape[0]}({literal(a, 'half')} * half(2))", 2 * a),
    "in place": lambda a, b, s: (f"(m = {literal(a)}, m += m, m *= 0.5f, m[1] += 1.0f, m[0][1] = 9.0f, m)", changed(a)),
}


def changed(a):
    a = a.copy()
    a[:, 1] += 1
    a[1, 0] = 9
    return a


@pytest.mark.parametrize("columns, rows", [(2, 2), (2, 3), (3, 3), (4, 3), (3, 4), (4, 4)])
def test_matrices(columns, rows):
    a, b = matrix(columns, rows, 1), matrix(rows, columns, 2)
    cases = {name: case(a, b, None) for name, case in MATRICES.items()}
    source, at = [f"float{columns}x{rows} m;"], 0
    for text, want in cases.values():
        r, c = want.shape
        source.append(
            f"{{ float{c}x{r} r = {text};\n"
            f"for (int c = 0; c < {c}; ++c) for (int q = 0; q < {r}; ++q) out[{at} + q * {c} + c] = r[c][q]; }}"
        )
        at += r * c
    found, at = run("\n".join(source), shape=(at,)), 0
    for name, (_, want) in cases.items():
        np.testing.assert_array_equal(found[at : at + want.size].reshape(want.shape), want, err_msg=name)
        at += want.size


def test_matrix_times_vector_and_determinant():
    m3, m4, m2 = matrix(3, 3, 3), matrix(4, 4, 4), matrix(2, 2, 5)
    v = np.array([1, -2, 3, 0.5], np.float32)
    v4 = "float4(1, -2, 3, 0.5)"
    probes = {
        "m v": f"({literal(m4)} * {v4}).y",
        "v m": f"({v4} * {literal(m4)}).y",
        "wide": f"({literal(m4[:2])} * {v4}).y",
        "det 2": f"determinant({literal(m2)})",
        "det 3": f"determinant({literal(m3)})",
        "det 4": f"determinant({literal(m4)})",
        "columns": f"{literal(m4)}.columns[2].y",
        "of columns": "float2x2(float2(1, 2), float2(3, 4))[1].x",
        "equal": f"{literal(m3)} == {literal(m3)} ? 1.0f : 0.0f",
    }
    found = {n: x[0] for n, x in table(probes).items()}
    want = {
        "m v": (m4 @ v)[1],
        "v m": (v @ m4)[1],
        "wide": (m4[:2] @ v)[1],
        "det 2": np.linalg.det(m2),
        "det 3": np.linalg.det(m3),
        "det 4": np.linalg.det(m4),
        "columns": m4[1, 2],
        "of columns": 3,
        "equal": 1,
    }
    for name in probes:
        np.testing.assert_allclose(found[name], want[name], rtol=1e-5, err_msg=name)


def quantized(x, bits, signed):
    top = 2 ** (bits - signed) - 1
    return np.rint(np.clip(np.float64(np.float32(x)), -1 if signed else 0, 1) * top).astype(np.int64) & (2**bits - 1)


V = [0.31, -0.7, 1.2, 0.52]


def packed(widths, signed=0, order=1):
    fields = [quantized(x, w, signed) for x, w in zip(V, widths)]
    pairs = list(zip(fields, widths))[::order]
    return sum(int(f) << sum(w for _, w in pairs[:k]) for k, (f, _) in enumerate(pairs))


PACKING = {
    "pack_float_to_unorm4x8(v)": packed([8] * 4),
    "pack_float_to_snorm4x8(v)": packed([8] * 4, 1),
    "pack_float_to_unorm2x16(v.xy)": packed([16] * 2),
    "pack_float_to_snorm2x16(v.xy)": packed([16] * 2, 1),
    "pack_float_to_unorm10a2(v)": packed([10, 10, 10, 2]),
    "pack_float_to_unorm565(v.xyz)": packed([5, 6, 5], order=-1),
    "pack_half_to_unorm4x8(half4(0, 1, 0.5h, 0.25h))": 0x4080FF00,
    "as_type<uint>(unpack_unorm4x8_to_float(0x40ff8000u).z)": 0x3F800000,
    "pack_float_to_unorm4x8(unpack_unorm4x8_to_float(0x12345678u))": 0x12345678,
    "pack_float_to_snorm4x8(unpack_snorm4x8_to_float(0x12f45678u))": 0x12F45678,
    "pack_float_to_unorm2x16(unpack_unorm2x16_to_float(0x12345678u))": 0x12345678,
    "pack_float_to_snorm2x16(unpack_snorm2x16_to_float(0xf2345678u))": 0xF2345678,
    "pack_float_to_unorm10a2(unpack_unorm10a2_to_float(0x92345678u))": 0x92345678,
    "pack_float_to_unorm565(unpack_unorm565_to_float(0xabcd))": 0xABCD,
    "pack_float_to_srgb_unorm4x8(unpack_unorm4x8_srgb_to_float(0x12a45678u))": 0x12A45678,
    "pack_half_to_snorm4x8(unpack_snorm4x8_to_half(0x12f45678u))": 0x12F45678,
}


@once
def packing():
    return table({n: n for n in PACKING}, dtype=mx.uint32, setup=f"float4 v = float4({', '.join(map(str, V))});")


@pytest.mark.parametrize("name", PACKING)
def test_packing(name):
    assert packing()[name][0] == PACKING[name]
