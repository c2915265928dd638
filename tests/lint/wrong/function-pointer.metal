#include <metal_stdlib>

using namespace metal;

using pointer = float (*)(float);

inline float square(float x) {
  return x * x;
}

inline float twice(float x) {
  return 2.0f * x;
}

struct Step {
  pointer f;  // BAD
};

constant pointer STEPS[2] = {square, twice};  // BAD

inline pointer chosen(int at) {  // BAD
  return at > 0 ? square : twice;
}

inline float applied(float (*f)(float), float x) {  // BAD
  return f(x);
}

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  float (*f)(float) = n[0] > 0 ? square : twice;  // BAD
  y[i] = static_cast<T>(applied(square, f(static_cast<float>(a[i]))) + STEPS[lane % 2](chosen(1)(1.0f)));
}
