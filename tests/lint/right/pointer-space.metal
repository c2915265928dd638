#include <metal_stdlib>

using namespace metal;

template <typename T>
struct View {
  const device T* values;
  constant int* sizes;
};

inline float first(const thread float* p) { return p[0]; }

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  float x = static_cast<float>(a[i]);
  x = first(&x);
  y[i] = static_cast<T>(x + static_cast<float>(n[lane]));
}
