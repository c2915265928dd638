"""The integer library on every integer type."""

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, table

TYPES = [mx.int8, mx.uint8, mx.int16, mx.uint16, mx.int32, mx.uint32, mx.int64, mx.uint64]
NUMPY = {t: np.dtype(str(t).split(".")[-1]) for t in TYPES}


def values(dtype, seed):
    info = np.iinfo(NUMPY[dtype])
    random = np.random.default_rng(seed)
    edges = [0, 1, 2, 3, info.max, info.min, info.max - 1, info.max // 2]
    rest = random.integers(info.min, info.max, LANES - len(edges), dtype=NUMPY[dtype], endpoint=True)
    return random.permutation(np.concatenate([np.array(edges, NUMPY[dtype]), rest]))


def bits(x, info):
    return int(x) & (2**info.bits - 1)


def wrap(x, info):
    x &= 2**info.bits - 1
    return x - 2**info.bits if x > info.max else x


def limit(x, info):
    return min(max(x, info.min), info.max)


# In Python's exact integers: f(x, y, z, info of the type).
FUNCTIONS = {
    "min(x, y)": lambda x, y, z, t: min(x, y),
    "max(x, y)": lambda x, y, z, t: max(x, y),
    "metal::max(x, y)": lambda x, y, z, t: max(x, y),
    "clamp(x, min(y, z), max(y, z))": lambda x, y, z, t: min(max(x, min(y, z)), max(y, z)),
    "min3(x, y, z)": lambda x, y, z, t: min(x, y, z),
    "max3(x, y, z)": lambda x, y, z, t: max(x, y, z),
    "median3(x, y, z)": lambda x, y, z, t: sorted([x, y, z])[1],
    "abs(x)": lambda x, y, z, t: wrap(abs(x), t),
    "absdiff(x, y)": lambda x, y, z, t: wrap(abs(x - y), t),
    "addsat(x, y)": lambda x, y, z, t: limit(x + y, t),
    "subsat(x, y)": lambda x, y, z, t: limit(x - y, t),
    "hadd(x, y)": lambda x, y, z, t: (x + y) >> 1,
    "rhadd(x, y)": lambda x, y, z, t: (x + y + 1) >> 1,
    "mulhi(x, y)": lambda x, y, z, t: (x * y) >> t.bits,
    "madhi(x, y, z)": lambda x, y, z, t: wrap(((x * y) >> t.bits) + z, t),
    "madsat(x, y, z)": lambda x, y, z, t: limit(x * y + z, t),
    "popcount(x)": lambda x, y, z, t: bits(x, t).bit_count(),
    "clz(x)": lambda x, y, z, t: t.bits - bits(x, t).bit_length(),
    "ctz(x)": lambda x, y, z, t: (bits(x, t) & -bits(x, t)).bit_length() - 1 if x else t.bits,
    "rotate(x, (T)3)": lambda x, y, z, t: wrap(bits(x, t) << 3 | bits(x, t) >> (t.bits - 3), t),
    "reverse_bits(x)": lambda x, y, z, t: wrap(int(f"{bits(x, t):0{t.bits}b}"[::-1], 2), t),
    "extract_bits(x, 2, 5)": lambda x, y, z, t: field(x, 2, 5, t),
    "extract_bits(x, 1, 0)": lambda x, y, z, t: 0,
    "extract_bits(x, 0, sizeof(T) * 8)": lambda x, y, z, t: x,
    "insert_bits(x, y, 2, 5)": lambda x, y, z, t: wrap((bits(x, t) & ~(31 << 2)) | (y & 31) << 2, t),
    "insert_bits(x, y, 0, sizeof(T) * 8)": lambda x, y, z, t: y,
    "insert_bits(x, y, 3, 0)": lambda x, y, z, t: x,
    "select(x, y, z > y)": lambda x, y, z, t: y if z > y else x,
}


def field(x, offset, width, info):
    value = bits(x, info) >> offset & (2**width - 1)
    return value - 2**width if info.min < 0 and value >> (width - 1) else value


@once
def results():
    found = {}
    for dtype in TYPES:
        inputs = [values(dtype, seed) for seed in range(3)]
        setup = f"using T = {METAL[dtype]}; T x = a[i], y = b[i], z = c[i];"
        found[dtype] = inputs, table({name: name for name in FUNCTIONS}, *inputs, dtype=dtype, setup=setup)
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
def test_integer_function(name):
    for dtype in TYPES:
        inputs, found = results()[dtype]
        info = np.iinfo(NUMPY[dtype])
        want = [FUNCTIONS[name](int(x), int(y), int(z), info) for x, y, z in zip(*inputs)]
        np.testing.assert_array_equal(found[name], np.array(want, object).astype(NUMPY[dtype]), err_msg=str(dtype))


def test_products_of_24_bits():
    x, y, z = (np.random.default_rng(s).integers(-(2**11), 2**11, LANES, dtype=np.int32) for s in range(3))
    found = table({"mul24": "mul24(a[i], b[i])", "mad24": "mad24(a[i], b[i], c[i])"}, x, y, z, dtype=mx.int32)
    np.testing.assert_array_equal(found["mul24"], x * y)
    np.testing.assert_array_equal(found["mad24"], x * y + z)


def test_integer_functions_of_vectors():
    x, y = (values(mx.int32, s) for s in (7, 8))
    probes = {
        "max": "max(v, w).y",
        "abs": "abs(v).x",
        "popcount": "popcount(v).z",
        "reverse": "reverse_bits(v).x",
        "extract": "extract_bits(v, 4, 9).y",
        "clamp": "clamp(v, -5, 5).x",
        "addsat": "addsat(v, w).w",
        "abs stays signed": "abs(int2(-3, 2)).x - 5 < 0 ? 1 : 0",
        "select": "select(v, w, v < w).x",
    }
    found = table(
        probes, x, y, dtype=mx.int32, setup="int4 v = int4(a[i], b[i], 7, a[i]), w = int4(b[i], a[i], 1, b[i]);"
    )
    info = np.iinfo(np.int32)
    exact = [(int(p), int(q)) for p, q in zip(x, y)]
    want = {
        "max": np.maximum(y, x),
        "abs": [wrap(abs(p), info) for p, _ in exact],
        "popcount": [3] * LANES,
        "reverse": [FUNCTIONS["reverse_bits(x)"](p, 0, 0, info) for p, _ in exact],
        "extract": [field(q, 4, 9, info) for _, q in exact],
        "clamp": np.clip(x, -5, 5),
        "addsat": [limit(p + q, info) for p, q in exact],
        "abs stays signed": [1] * LANES,
        "select": np.maximum(x, y),
    }
    for name in probes:
        np.testing.assert_array_equal(found[name], want[name], err_msg=name)
