#include <metal_stdlib>

using namespace metal;

struct Square {
  float operator()(float x) const {
    return x * x;
  }
};

struct Twice {
  float operator()(float x) const {
    return 2.0f * x;
  }
};

template <typename F>
inline float applied(F f, float x) {
  return f(x);
}

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  const float x = static_cast<float>(a[i]) + static_cast<float>(n[lane]);
  y[i] = static_cast<T>(applied(Square(), x) + applied(Twice(), x));
}
