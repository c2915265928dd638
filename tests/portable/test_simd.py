"""simd_ and quad_ functions: of every type, of vectors, and where not all lanes run."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from oracle import FULL
from run import LANES, METAL, once, run, table

UNIFORM = (Path(__file__).parents[2] / "shaders/common/uniform.h").read_text().replace("#pragma once", "")

L = np.arange(LANES)
FLOATS = [mx.float32, mx.float16, mx.bfloat16]
# By default a type of each kind, since a type takes seconds to compile.
TYPES = [t for t in METAL if t != mx.bool_] if FULL else [mx.float32, mx.bfloat16, mx.int32]


def clusters(width, function):
    """A function of one cluster's values as one of the whole simdgroup's."""
    return lambda x: np.concatenate([np.broadcast_to(function(part), width) for part in x.reshape(-1, width)])


def shifted(width, delta):
    """x of the lane `delta` further within the cluster, and x itself past the border."""
    source = np.where((0 <= L % width + delta) & (L % width + delta < width), L + delta, L)
    return lambda x: x[source]


def moves(prefix, width):
    base = L // width * width
    return {
        f"{prefix}_shuffle_xor(x, 1)": lambda x: x[L ^ 1],
        f"{prefix}_shuffle_xor(x, {width // 2 + 1})": lambda x: x[L ^ (width // 2 + 1)],
        f"{prefix}_shuffle(x, 2)": lambda x: x[base + 2],
        f"{prefix}_shuffle(x, (lane * 7 + 3) % {width})": lambda x: x[base + (L % width * 7 + 3) % width],
        f"{prefix}_broadcast(x, 3)": lambda x: x[base + 3],
        f"{prefix}_broadcast(x, n)": lambda x: x[base + 2],
        f"{prefix}_broadcast_first(x)": lambda x: x[base],
        f"{prefix}_shuffle_up(x, 1)": shifted(width, -1),
        f"{prefix}_shuffle_up(x, n)": shifted(width, -2),
        f"{prefix}_shuffle_down(x, 3)": shifted(width, 3),
        f"{prefix}_shuffle_down(x, n)": shifted(width, 2),
        f"{prefix}_shuffle_rotate_up(x, 1)": lambda x: x[base + (L - 1) % width],
        f"{prefix}_shuffle_rotate_down(x, n)": lambda x: x[base + (L + 2) % width],
        f"{prefix}_shuffle_and_fill_up(x, f, 1)": lambda x: filled(x, width, -1),
        f"{prefix}_shuffle_and_fill_down(x, f, n)": lambda x: filled(x, width, 2),
        f"{prefix}_shuffle_and_fill_up(x, f, 1, 2)": lambda x: filled(x, 2, -1),
        f"{prefix}_shuffle_and_fill_down(x, f, 1, 4)": lambda x: filled(x, 4, 1),
    }


def filled(x, modulo, delta):
    """Past the border of `modulo` lanes come the other end's values of f = x + 1."""
    at = L % modulo + delta
    return np.where((0 <= at) & (at < modulo), x[(L + delta) % LANES], x[L // modulo * modulo + at % modulo] + 1)


def joins(prefix, width):
    return {
        f"{prefix}_sum(x)": clusters(width, np.sum),
        f"{prefix}_min(x)": clusters(width, np.min),
        f"{prefix}_max(x)": clusters(width, np.max),
        f"{prefix}_product(y)": clusters(width, np.prod),
        f"{prefix}_prefix_inclusive_sum(x)": clusters(width, np.cumsum),
        f"{prefix}_prefix_exclusive_sum(x)": clusters(width, lambda x: np.cumsum(x) - x),
        f"{prefix}_prefix_inclusive_product(y)": clusters(width, np.cumprod),
        f"{prefix}_prefix_exclusive_product(y)": clusters(width, lambda x: np.concatenate([[1], np.cumprod(x)[:-1]])),
    }


MOVES = {**moves("simd", 32), **moves("quad", 4)}
JOINS = {**joins("simd", 32), **joins("quad", 4)}
BITS = {
    f"{prefix}_{name}(x)": clusters(width, function.reduce)
    for prefix, width in (("simd", 32), ("quad", 4))
    for name, function in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor))
}


def values(dtype):
    x = np.random.default_rng(5).permutation(LANES) % 7
    return x - 3 if dtype in (mx.int8, mx.int16, mx.int32, mx.int64, *FLOATS) else x


FACTORS = np.where(L % 8 == 5, 2, 1)  # of all lanes: 16


@once
def results():
    found = {}
    for dtype in TYPES:
        t = METAL[dtype]
        setup = f"uint lane = thread_index_in_simdgroup; {t} x = a[i], y = b[i], f = x + {t}(1); ushort n = c[i];"
        names = {**MOVES, **JOINS, **({} if dtype in FLOATS else BITS)}
        inputs = mx.array(values(dtype)).astype(dtype), mx.array(FACTORS).astype(dtype), np.full(LANES, 2, np.int32)
        found[dtype] = table({name: name for name in names}, *inputs, dtype=dtype, setup=setup)
    return found


@pytest.mark.parametrize("name", [*MOVES, *JOINS, *BITS])
def test_lanes(name):
    for dtype in TYPES:
        if name in BITS and dtype in FLOATS:
            continue
        function = {**MOVES, **JOINS, **BITS}[name]
        want = np.array(function(values(dtype) if "(y)" not in name else FACTORS))
        np.testing.assert_array_equal(
            results()[dtype][name], want.astype(results()[dtype][name].dtype), err_msg=str(dtype)
        )


VECTORS = {
    "simd_sum(v).y": clusters(32, lambda x: 2 * x.sum()),
    "simd_max(v).x": clusters(32, np.max),
    "quad_sum(v).w": clusters(4, np.sum),
    "simd_prefix_exclusive_sum(v).y": clusters(32, lambda x: 2 * (np.cumsum(x) - x)),
    "simd_shuffle(v, 31 - lane).y": lambda x: 2 * x[::-1],
    "simd_shuffle_xor(v, 5).w": lambda x: x[L ^ 5],
    "simd_shuffle_down(v, 1).y": lambda x: 2 * shifted(32, 1)(x),
    "simd_broadcast(v, 9).y": lambda x: np.full(LANES, 2 * x[9]),
    "simd_broadcast_first(v).y": lambda x: np.full(LANES, 2 * x[0]),
    "simd_shuffle_and_fill_up(v, v, 1).y": lambda x: 2 * x[(L - 1) % 32],
    "float(simd_sum(half2(v.xy)).y)": clusters(32, lambda x: 2 * x.sum()),
    "float(simd_sum(bfloat3(v.xyz)).x)": clusters(32, np.sum),
    "float(simd_shuffle_xor(int3(v.xyz), 3).y)": lambda x: 2 * x[L ^ 3],
    "float(simd_max(short4(v)).y)": clusters(32, lambda x: 2 * x.max()),
    "float(quad_broadcast(uchar2(v.xy), 1).y)": lambda x: 2 * x[L // 4 * 4 + 1],
    "simd_sum(complex64_t(v.x, v.y)).imag": clusters(32, lambda x: 2 * x.sum()),
    "simd_shuffle_down(complex64_t(v.x, v.y), 2).imag": lambda x: 2 * shifted(32, 2)(x),
    "simd_shuffle_xor(v.x > 3, 1) ? 1 : 0": lambda x: (x[L ^ 1] > 3) * 1,
    "simd_broadcast(v.x > 3, 4) ? 1 : 0": lambda x: np.full(LANES, x[4] > 3),
}


@once
def of_vectors():
    x = np.random.default_rng(6).permutation(LANES).astype(np.float32) % 9
    setup = "uint lane = thread_index_in_simdgroup; float4 v = float4(a[i], 2 * a[i], 0, a[i]);"
    return x, table({name: name for name in VECTORS}, x, setup=setup)


@pytest.mark.parametrize("name", VECTORS)
def test_lanes_of_vectors(name):
    x, found = of_vectors()
    np.testing.assert_array_equal(found[name], np.float32(VECTORS[name](x)))


VOTES = {
    "simd_any(x > 30)": 1,
    "simd_any(x > 31)": 0,
    "simd_all(x >= 0)": 1,
    "simd_all(x > 0)": 0,
    "ulong(simd_ballot(x % 3 == 0))": sum(1 << k for k in range(0, 32, 3)),
    "simd_ballot(x >= 0).all()": 1,
    "simd_ballot(x > 0).all()": 0,
    "simd_ballot(x > 40).any()": 0,
    "(simd_vote::vote_t)simd_active_threads_mask()": 2**32 - 1,
    "simd_is_first()": (L == 0) * 1,
    "quad_any(x == 6)": (L // 4 == 1) * 1,
    "quad_all(x < 8)": (L < 8) * 1,
    "uint(quad_ballot(x == 6))": (L // 4 == 1) * 4,
    "quad_is_first()": (L % 4 == 0) * 1,
    "simd_is_helper_thread()": 0,
    "thread_index_in_simdgroup": L,
    "threads_per_simdgroup": 32,
    "thread_index_in_quadgroup": L % 4,
}


@once
def votes():
    return table({n: n for n in VOTES}, np.arange(LANES, dtype=np.int32), dtype=mx.int64, setup="int x = a[i];")


@pytest.mark.parametrize("name", VOTES)
def test_votes(name):
    np.testing.assert_array_equal(votes()[name], np.broadcast_to(VOTES[name], LANES))


RUNS = L % 3 == 1  # the lanes that take the branch
DIVERGENT = {
    "simd_sum(x)": lambda x: x.sum(),
    "simd_max(x)": np.max,
    "simd_min(x)": np.min,
    "simd_product(y)": lambda x: 2.0,
    "simd_prefix_inclusive_sum(x)": np.cumsum,
    "simd_prefix_exclusive_sum(x)": lambda x: np.cumsum(x) - x,
    "simd_broadcast_first(x)": lambda x: x[0],
    "simd_is_first() ? 1 : 0": lambda x: (np.arange(len(x)) == 0) * 1.0,
    "simd_any(x == 2) ? 1 : 0": lambda x: (x == 2).any() * 1.0,
    "simd_all(lane % 3 == 1) ? 1 : 0": lambda x: 1.0,
    "float(as_type<float>(uint(ulong(simd_ballot(true)) >> 1)))": lambda x: np.uint32(
        sum(1 << k for k in range(32) if k % 3 == 1) >> 1
    ).view(np.float32),
    "float(simd_sum(bfloat(x)))": lambda x: x.sum(),
    "float(simd_max(int(x)))": np.max,
    "float(simd_xor(uint(lane)))": lambda x: np.bitwise_xor.reduce(L[RUNS]),
}


@once
def divergent():
    x = (np.random.default_rng(7).permutation(LANES) - 9).astype(np.float32)
    lines = "".join(f"out[{k * LANES} + i] = {name};\n" for k, name in enumerate(DIVERGENT))
    source = (
        "uint lane = thread_index_in_simdgroup; float x = a[i], y = lane == 4 ? 2.0f : lane % 3 == 1 ? 1.0f : 9.0f;\n"
    )
    out = run(source + f"if (lane % 3 == 1) {{\n{lines}}}", x, shape=(len(DIVERGENT), LANES), init_value=-77)
    return x, dict(zip(DIVERGENT, out))


@pytest.mark.parametrize("name", DIVERGENT)
def test_only_lanes_that_run_take_part(name):
    x, found = divergent()
    np.testing.assert_array_equal(found[name][~RUNS], -77)
    np.testing.assert_array_equal(found[name][RUNS], np.broadcast_to(np.float32(DIVERGENT[name](x[RUNS])), RUNS.sum()))


@pytest.mark.parametrize("threads", [8, 20, 40, 63, 96])
def test_incomplete_simdgroups(threads):
    x = np.random.default_rng(threads).integers(-9, 9, max(threads, 8)).astype(np.float32)
    names = [
        "simd_sum(x)",
        "simd_max(x)",
        "simd_prefix_inclusive_sum(x)",
        "simd_shuffle_xor(x, 1)",
        "simd_broadcast(x, 0)",
        "simd_shuffle_down(x, 1)",
    ]
    lines = "".join(f"out[{k * threads} + i] = {name};\n" for k, name in enumerate(names))
    found = run("float x = a[i];\n" + lines, x, shape=(len(names), threads), threads=threads)
    groups = [x[s : s + 32] for s in range(0, threads, 32)]

    def same(function):
        return np.concatenate([np.broadcast_to(function(g), len(g)) for g in groups])

    np.testing.assert_array_equal(found[0], same(np.sum))
    np.testing.assert_array_equal(found[1], same(np.max))
    np.testing.assert_array_equal(found[2], same(np.cumsum))
    np.testing.assert_array_equal(found[4], same(lambda g: g[0]))
    pairs = np.arange(threads // 2 * 2)  # a last odd lane has no partner
    np.testing.assert_array_equal(found[3][pairs], x[pairs ^ 1])
    inner = np.array([k for k in range(threads - 1) if k % 32 != 31])
    np.testing.assert_array_equal(found[5][inner], x[inner + 1])


def test_sum_in_a_loop_of_uneven_length():
    n = np.random.default_rng(1).integers(1, 9, LANES).astype(np.int32)
    found = run("float s = 0; for (int r = 0; r < a[i]; ++r) s += simd_sum(1.0f); out[i] = s;", n)
    np.testing.assert_array_equal(found, [sum((n > r).sum() for r in range(k)) for k in n])


@pytest.mark.parametrize("threads", [96, 40])
def test_functions_of_code_that_all_lanes_run(threads):
    """In groups of whole simdgroups, where an engine may have cheaper ones, and where the last is a partial one."""
    x = np.random.default_rng(7).permutation(threads).astype(np.float32)
    body = """
        out[i] = uniform_sum(a[i]);
        out[{n} + i] = uniform_broadcast(a[i], 5);
    """
    found = run(body.format(n=threads), x, header=UNIFORM, shape=(2, threads), threads=threads)
    groups = [x[first : first + LANES] for first in range(0, threads, LANES)]
    np.testing.assert_array_equal(found[0], np.concatenate([np.full(len(g), g.sum()) for g in groups]))
    np.testing.assert_array_equal(found[1], np.concatenate([np.full(len(g), g[5]) for g in groups]))


@pytest.mark.parametrize("function", ["simd_shuffle_xor", "quad_shuffle_xor"])
@pytest.mark.parametrize("threads, grid", [(16, 16), (64, 112), (100, 100)])
def test_a_partial_simdgroup_with_one_function_alone(function, threads, grid):
    """Between lanes that run; nothing else in the kernel asks which those are."""
    x = np.random.default_rng(9).normal(size=grid).astype(np.float32)
    found = run(f"out[i] = {function}(a[i], 1);", x, shape=(grid,), threads=threads, grid=grid)
    np.testing.assert_array_equal(found, x[np.arange(grid) ^ 1])


@pytest.mark.parametrize("function, delta", [("simd_shuffle_rotate_up", -1), ("simd_shuffle_rotate_down", 1)])
def test_rotations_in_a_partial_simdgroup(function, delta):
    x = np.random.default_rng(9).normal(size=48).astype(np.float32)
    found = run(f"out[i] = {function}(a[i], 1);", x, shape=(48,), threads=48)
    inner = slice(33, 47)
    np.testing.assert_array_equal(found[inner], np.roll(x, -delta)[inner])


def test_simdgroups_exchange_through_memory():
    """A simdgroup_barrier is all that stands between a lane's store and another's load of the same place."""
    body = """
        threadgroup float shared[96];
        const int group = i / 32 * 32, lane = i % 32;
        float sum = 0;
        shared[i] = a[i];
        for (int round = 1; round < 32; ++round) {
          simdgroup_barrier(mem_flags::mem_threadgroup);
          const float next = shared[group + (lane + 1) % 32];
          simdgroup_barrier(mem_flags::mem_threadgroup);
          shared[i] = next;
          sum += round * next;
        }
        out[i] = sum;
    """
    x = np.random.default_rng(8).integers(0, 9, 96).astype(np.float32)
    want = [sum(r * x[i // 32 * 32 + (i + r) % 32] for r in range(1, 32)) for i in range(96)]
    np.testing.assert_array_equal(run(body, x, shape=(96,), threads=96), want)
