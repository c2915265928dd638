#include <metal_stdlib>

using namespace metal;

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  float x = static_cast<float>(a[i]);
  float4 v = float4(x, x, x);  // BAD
  x = v.y;
  float3 spread(1.0f, 2.0f, 3.0f, 4.0f);  // BAD
  y[i] = static_cast<T>(spread.x + x + static_cast<float>(n[lane]));
}
