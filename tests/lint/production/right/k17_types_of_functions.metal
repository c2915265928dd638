// The type of a template parameter that is a function, as a typedef.
#include <metal_stdlib>

using namespace metal;

typedef void (*Butterfly)(thread float2*, thread float2*);
using Unary = float (*)(float);

inline void butterfly2(thread float2* x, thread float2* y) {
  y[0] = x[0] + x[1];
  y[1] = x[0] - x[1];
}

inline float next(float x) {
  return x + 1.0f;
}

template <int Radix, Butterfly f>
inline void transform(thread float2* x, thread float2* y) {
  f(x, y);
}

template <Unary f>
inline float twice(float x) {
  return f(x) * 2.0f;
}

kernel void k(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  float2 a[2] = {float2(y[i]), float2(1)}, b[2];
  transform<2, butterfly2>(a, b);
  y[i] = b[0].x + twice<next>(y[i]);
}
