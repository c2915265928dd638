// What C++ kernels take from the standard library. Lint leaves these names to kernels.
#pragma once

namespace metal {
template <typename T>
constexpr __remove_reference_t(T) && move(T&& x) {
  return (__remove_reference_t(T)&&)x;
}
template <typename T>
constexpr T&& forward(__remove_reference_t(T) & x) {
  return (T&&)x;
}
}  // namespace metal
