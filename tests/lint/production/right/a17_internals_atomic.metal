// #pragma METAL internals and what it opens: _atomic, _valid_...:.
#include <metal_stdlib>
using namespace metal;

#pragma METAL internals : enable
[[kernel]] void count(threadgroup _atomic<uint>* h [[threadgroup(0)]], device uint* y [[buffer(0)]], uint l [[thread_position_in_threadgroup]]) {
    atomic_store_explicit(&h[l], 0u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    atomic_fetch_add_explicit(&h[l / 2], 1u, memory_order_relaxed);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    y[l] = atomic_load_explicit(&h[l], memory_order_relaxed);
}
#pragma METAL internals : disable
