// What MLX's kernels have of complex numbers, and Metal and its compilers lack.
#pragma once

namespace metal {
// Real part from |1 + z|^2 - 1 where that is near 0, so that small z keep their digits.
template <typename T>
METAL_FUNC complex_t<T> log1p(complex_t<T> z) {
  const float x = z.real, y = z.imag, excess = x * (2.0f + x) + y * y;
  float modulus = ::fabs(excess) < 0.5f ? 0.5f * ::log1p(excess) : ::log(::hypot(1.0f + x, y));
  return {(T)modulus, (T)::atan2(y, 1.0f + x)};
}
}  // namespace metal
