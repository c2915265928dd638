// <metal_array>.
#pragma once

namespace metal {
/// N elements of T that are copied as one value.
template <typename T, size_t N>
struct array {
  T elements[N];

  static constexpr size_t size() { return N; }
  static constexpr bool empty() { return N == 0; }
#define MSL_ELEMENT(space)                                                        \
  constexpr space T& operator[](size_t i) space { return elements[i]; }           \
  constexpr const space T& operator[](size_t i) const space { return elements[i]; }
  MSL_PLACES(MSL_ELEMENT)
#undef MSL_ELEMENT
  MSL_SPACES(constexpr const constant T& operator[](size_t i) const constant { return elements[i]; })
  constexpr T* data() { return elements; }
  constexpr const T* data() const { return elements; }
  constexpr T* begin() { return elements; }
  constexpr const T* begin() const { return elements; }
  constexpr T* end() { return elements + N; }
  constexpr const T* end() const { return elements + N; }
  constexpr T& front() { return elements[0]; }
  constexpr T& back() { return elements[N - 1]; }
  void fill(T value) {
    for (size_t i = 0; i < N; ++i) elements[i] = value;
  }
};
}  // namespace metal
