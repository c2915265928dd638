// Special functions that MLX's kernels have and Metal lacks. OpenCL's log1p, erf, expm1 and hypot serve float.
#pragma once

#include "mlx.h"
#include "../../library/special.h"

// Templates, so that a kernel's own function of the same name is taken before these.
namespace metal {
template <typename T, typename = enable_if_t<is_floating_point_v<T> && !is_same_v<T, float>>>
METAL_FUNC T log1p(T x) { return (T)::log1p((float)x); }
template <typename T, typename = enable_if_t<is_floating_point_v<T> && !is_same_v<T, float>>>
METAL_FUNC T erf(T x) { return (T)::erf((float)x); }
template <typename T>
METAL_FUNC T expm1f(T x) { return (T)::expm1((float)x); }

// The inverse of erf: a rational start (Winitzki), then Newton steps on erf or, in the tails, on erfc.
template <typename T>
METAL_FUNC T erfinv(T value) {
  float y = (float)value, size = ::fabs(y);
  float l = ::log1p(-y * y), k = 4.3307467508f + 0.5f * l;
  float x = ::sqrt(::sqrt(k * k - 6.8027210884f * l) - k);
  for (int i = 0; i < 2; ++i) {
    float slope = 1.1283791671f * ::exp(-x * x);
    float error = size < 0.5f ? ::erf(x) - size : (1.0f - size) - ::erfc(x);
    x -= slope > 0.0f ? error / (slope + x * error) : 0.0f;
  }
  x = size < 1.0f ? x : size == 1.0f ? __builtin_inff() : __builtin_nanf("");
  return (T)(size == 0.0f ? y : ::copysign(x, y));
}
}  // namespace metal
