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
  t[lane] = static_cast<float>(a[i]);
  y[i] = static_cast<T>(t[31 - lane] + static_cast<float>(n[0]));  // BAD
}
