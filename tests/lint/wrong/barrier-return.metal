#include <metal_stdlib>

using namespace metal;

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float t[32];
  if (i >= static_cast<uint>(n[0])) return;  // BAD
  t[lane] = static_cast<float>(a[i]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = static_cast<T>(t[31 - lane] + static_cast<float>(n[0]));
}
