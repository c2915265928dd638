// <metal_array> and <metal_uniform>.
#pragma once

#include "types.h"

namespace metal {
/// N elements of T that are copied as one value.
template <typename T, size_t N>
struct array {
  T elements[N];
  constexpr thread T& operator[](size_t i) thread { return elements[i]; }
  constexpr const thread T& operator[](size_t i) const thread { return elements[i]; }
  constexpr device T& operator[](size_t i) device { return elements[i]; }
  constexpr const device T& operator[](size_t i) const device { return elements[i]; }
  constexpr threadgroup T& operator[](size_t i) threadgroup { return elements[i]; }
  constexpr const threadgroup T& operator[](size_t i) const threadgroup { return elements[i]; }
  constexpr const constant T& operator[](size_t i) const constant { return elements[i]; }
  constexpr size_t size() const { return N; }
  thread T* data() thread;
};

/// A value that is the same in every thread.
template <typename T>
using uniform = T;
template <typename T>
constexpr T make_uniform(T x) {
  return x;
}
}  // namespace metal
