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
  switch (n[0]) {
    case 0:
      x = 1.0f;
      break;
    case 1:
      x = 2.0f;
      break;
    default:
      break;
  }
  y[i] = static_cast<T>(x + static_cast<float>(n[lane]));
}
