#include <metal_stdlib>

using namespace metal;

inline float after_all(float x) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return x;
}

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float t[32];
  t[lane] = static_cast<float>(a[i]);
  if (lane < 16) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // BAD
  }
  const float later = lane < 8 ? after_all(1.0f) : 2.0f;  // BAD
  y[i] = static_cast<T>(t[31 - lane] + later + static_cast<float>(n[0]));
}
