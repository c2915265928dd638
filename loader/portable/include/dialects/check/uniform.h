// <metal_uniform>.
#pragma once

namespace metal {
/// A value that is the same in every thread.
template <typename T>
using uniform = T;
template <typename T>
constexpr T make_uniform(T x) {
  return x;
}
}  // namespace metal
