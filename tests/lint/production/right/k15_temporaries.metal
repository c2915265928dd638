// Temporaries lie in `thread` memory: references of that space take them.
#include <metal_stdlib>

using namespace metal;

struct Complex {
  float re, im;

  Complex(float r, float i) : re(r), im(i) {}
  Complex operator*(const thread Complex& o) const {
    return Complex(re * o.re - im * o.im, re * o.im + im * o.re);
  }
  thread Complex& operator+=(const thread Complex& o) {
    re += o.re;
    im += o.im;
    return *this;
  }
  Complex cube() const { return *this * *this * *this; }
};

inline float norm(const thread Complex& z) {
  return z.re * z.re + z.im * z.im;
}

inline float distance_to(const thread float3& p) {
  return length(p) - 1.0f;
}

kernel void k(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  Complex z(y[i], 1.0f);
  z += z * z;
  const float2 step = float2(0.001f, 0.0f);
  y[i] = norm(z * z) + norm(z.cube()) + distance_to(float3(y[i]) + step.xyy);
}
