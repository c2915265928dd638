#include <metal_stdlib>

using namespace metal;

inline float shared(float v, uint lane) {
  threadgroup float t[32];  // BAD
  t[lane] = v;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return t[31 - lane];
}

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  float x = static_cast<float>(a[i]);
  x = shared(x, lane);
  y[i] = static_cast<T>(x + static_cast<float>(n[lane]));
}
