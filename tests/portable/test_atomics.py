"""Atomic types and functions in device and threadgroup memory."""

import mlx.core as mx
import numpy as np
import pytest
from run import run

THREADS = 256
X = np.random.default_rng(0).integers(1, 100, THREADS)
# What THREADS threads with their values X leave behind, from 0 (or from all bits for `and`).
FETCH = {
    "add": ("0", X.sum()),
    "sub": ("0", -X.sum()),
    "max": ("0", X.max()),
    "min": ("1000", X.min()),
    "and": ("0x7fffffff", np.bitwise_and.reduce(X | 64)),
    "or": ("0", np.bitwise_or.reduce(X)),
    "xor": ("0", np.bitwise_xor.reduce(X)),
}


@pytest.mark.parametrize("kind", ["int", "uint", "long", "ulong"])
@pytest.mark.parametrize("space", ["device", "threadgroup"])
def test_fetch(kind, space):
    dtype = {"int": mx.int32, "uint": mx.uint32, "long": mx.int64, "ulong": mx.uint64}[kind]
    lines = []
    for k, (name, (start, _)) in enumerate(FETCH.items()):
        value = "x | 64" if name == "and" else "x"
        place = f"&s{k}" if space == "threadgroup" else f"(device atomic<{kind}>*)out + {k}"
        lines.append(f"if (i == 0) atomic_store_explicit({place}, {start}, memory_order_relaxed);")
        lines.append("threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);")
        lines.append(f"atomic_fetch_{name}_explicit({place}, {value}, memory_order_relaxed);")
        lines.append("threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);")
        lines.append(f"if (i == 0) out[{k}] = atomic_load_explicit({place}, memory_order_relaxed);")
    shared = "".join(f"threadgroup atomic_{kind} s{k};\n" for k in range(len(FETCH))) if space == "threadgroup" else ""
    source = f"{shared}{kind} x = a[i];\n" + "\n".join(lines)
    found = run(source, X.astype(np.int32), shape=(len(FETCH),), dtype=dtype, threads=THREADS)
    want = np.array([w for _, w in FETCH.values()], np.int64)
    np.testing.assert_array_equal(found, want.astype(found.dtype))


def test_old_values_are_a_permutation():
    found = run(
        "out[i] = atomic_fetch_add_explicit((device atomic_int*)out + 1024, 1, memory_order_relaxed);",
        shape=(1025,),
        dtype=mx.int32,
        threads=THREADS,
        grid=1024,
        init_value=0,
    )
    np.testing.assert_array_equal(np.sort(found[:1024]), np.arange(1024))
    assert found[1024] == 1024


def test_float_add_across_threadgroups():
    x = np.arange(4096).astype(np.float32) % 17
    found = run(
        "atomic_fetch_add_explicit((device atomic_float*)out, a[i], memory_order_relaxed);",
        x,
        shape=(1,),
        threads=THREADS,
        grid=4096,
        init_value=0,
    )
    assert found[0] == x.sum()


def test_float_operations():
    source = """threadgroup atomic_float s; if (i == 0) atomic_store_explicit(&s, 5.0f, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_sub_explicit(&s, a[i], metal::memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);
    if (i == 0) { out[0] = atomic_exchange_explicit(&s, 2.5f, memory_order_relaxed);
    out[1] = atomic_load_explicit(&s, memory_order_relaxed);
    float expected = 1.0f;
    out[2] = atomic_compare_exchange_weak_explicit(&s, &expected, 9.0f, memory_order_relaxed, memory_order_relaxed);
    out[3] = expected;
    out[4] = atomic_compare_exchange_weak_explicit(&s, &expected, 9.0f, memory_order_relaxed, memory_order_relaxed);
    out[5] = atomic_load_explicit(&s, memory_order_relaxed);
    out[6] = atomic_fetch_max_explicit(&s, 11.0f, memory_order_relaxed);
    out[7] = atomic_load_explicit(&s, memory_order_relaxed); }"""
    found = run(source, np.ones(32, np.float32), shape=(8,))
    np.testing.assert_array_equal(found, [-27, 2.5, 0, 2.5, 1, 9, 9, 11])


def test_compare_exchange_loop():
    source = """device atomic_uint* p = (device atomic_uint*)out;
    uint seen = atomic_load_explicit(p, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        p, &seen, seen * 3u + 1u, memory_order_relaxed, memory_order_relaxed)) {}"""
    found = run(source, shape=(1,), dtype=mx.uint32, threads=64, grid=512, init_value=1)
    want = 1
    for _ in range(512):
        want = (want * 3 + 1) % 2**32
    assert found[0] == want


def test_bool():
    source = """threadgroup atomic_bool any; atomic<bool> device* unused = nullptr; (void)unused;
    if (i == 0) atomic_store_explicit(&any, false, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup); out[i] = atomic_load_explicit(&any, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (i == 77) atomic_store_explicit(&any, true, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    out[256 + i] = atomic_exchange_explicit(&any, true, memory_order_relaxed);"""
    found = run(source, shape=(2, THREADS), dtype=mx.int32, threads=THREADS)
    np.testing.assert_array_equal(found, np.repeat([[0], [1]], THREADS, 1))


def test_without_result_and_fence():
    source = """threadgroup atomic_ulong s; if (i == 0) atomic_store_explicit(&s, 7ul, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup); atomic_max_explicit(&s, (ulong)a[i] << 40, memory_order_relaxed);
    atomic_thread_fence(mem_flags::mem_threadgroup, memory_order_seq_cst, thread_scope_threadgroup);
    threadgroup_barrier(mem_flags::mem_none);
    if (i == 0) out[0] = atomic_load_explicit(&s, memory_order_relaxed) >> 40;"""
    assert run(source, X.astype(np.int32), shape=(1,), dtype=mx.int32, threads=THREADS)[0] == X.max()


def test_the_last_threadgroup_adds_up_what_all_have_written():
    """Simdgroups and a fence in one kernel."""
    source = """
    threadgroup bool last;
    const uint group = i / 32, groups = 8;
    const float sum = simd_sum(a[i]);
    device atomic_uint* done = (device atomic_uint*)&out[groups + 1];
    if (i % 32 == 0) {
      atomic_store_explicit(&out[group], sum, memory_order_relaxed);
      atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);
      last = atomic_fetch_add_explicit(done, 1u, memory_order_relaxed) == groups - 1;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (last && i % 32 == 0) {
      atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);
      float total = 0;
      for (uint k = 0; k < groups; ++k)
        total += atomic_load_explicit(&out[k], memory_order_relaxed);
      atomic_store_explicit(&out[groups], total, memory_order_relaxed);
    }
    """
    found = run(source, X.astype(np.float32), shape=(10,), threads=32, grid=THREADS, atomic=True, init_value=0)
    assert found[8] == X.sum()


@pytest.mark.parametrize("dtype", [mx.int32, mx.uint32, mx.float32], ids=str)
def test_atomic_outputs(dtype):
    found = run(
        "atomic_fetch_add_explicit(&out[a[i] % 7], 1, memory_order_relaxed);",
        X.astype(np.int32),
        shape=(7,),
        dtype=dtype,
        threads=THREADS,
        atomic=True,
        init_value=0,
    )
    np.testing.assert_array_equal(found, np.bincount(X % 7, minlength=7))
