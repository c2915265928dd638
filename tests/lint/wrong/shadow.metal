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
  for (int j = 0; j < 3; ++j) {
    float x = static_cast<float>(j);  // BAD
    y[j] = static_cast<T>(x);
  }
  y[i] = static_cast<T>(x + static_cast<float>(n[lane]));
}
