// The functions of simdgroups and quads.
#pragma once

#include "lanes.h"

namespace msl {
template <typename T>
METAL_FUNC constexpr T top() {
  return metal::is_floating_point_v<T> ? (T)__builtin_inff() : metal::numeric_limits<T>::max();
}
template <typename T>
METAL_FUNC constexpr T bottom() {
  return metal::is_floating_point_v<T> ? (T)(-__builtin_inff()) : metal::numeric_limits<T>::lowest();
}
METAL_FUNC ulong every_lane(uint width) { return width == 4 ? 15 : ~0ul >> (64 - get_sub_group_size()); }
METAL_FUNC uint lowest_bit(uint bits) { return ::ctz(bits); }
}  // namespace msl

// `decltype` would carry an address space into the types.
#define MSL_JOIN(name, width, identity, joined)                                                           \
  template <typename T, typename E = msl::element<T>>                                                     \
  METAL_FUNC T name(T x) {                                                                                \
    using A = msl::accumulator_t<E>;                                                                      \
    return msl::each(x, [](E e) {                                                                         \
      return (E)msl::cluster<width>::reduce((A)e, (A)(identity), [](A a, A b) { return (A)(joined); });   \
    });                                                                                                   \
  }
#define MSL_JOIN_BITS MSL_JOIN
#define MSL_SCAN(name, width, identity, joined, inclusive)                                                        \
  template <typename T, typename E = msl::element<T>>                                                             \
  METAL_FUNC T name(T x) {                                                                                        \
    using A = msl::accumulator_t<E>;                                                                              \
    return msl::each(x, [](E e) {                                                                                 \
      return (E)msl::cluster<width>::scan((A)e, (A)(identity), [](A a, A b) { return (A)(joined); }, inclusive);  \
    });                                                                                                           \
  }
#define MSL_MOVE(name, width, moved)                                           \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x, ushort n) {                                           \
    using lanes = msl::cluster<width>;                                         \
    return msl::each(x, [=](E e) { return moved; });                           \
  }
#define MSL_FILL(name, width, shift)                                           \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x, T fill, ushort delta, ushort modulo = width) {        \
    return msl::each(x, fill, [=](E e, E f) {                                  \
      return msl::cluster<width>::shift(e, f, delta, modulo);                  \
    });                                                                        \
  }
#include "../../library/simd.h"

namespace metal {
// Ours alone: functions for code that all lanes run, which do not make a masked variant of the kernel (see lanes.h). Metal
// has no such thing, so a shader asks whether __HAVE_SIMD_UNIFORM__ is defined.
#ifdef MSL_WHOLE
#define __HAVE_SIMD_UNIFORM__ 1
template <typename T>
METAL_FUNC T simd_sum_uniform(T x) {
#pragma clang loop unroll(full)
  for (uint mask = 1; mask < 32; mask *= 2) x += msl::xor_lane(x, mask);
  return x;
}
template <typename T>
METAL_FUNC T simd_broadcast_uniform(T x, ushort lane) {
  return msl::carrier<T>::unpack(sub_group_broadcast_first(msl::carrier<T>::pack(msl::xor_lane(x, lane))));
}
#endif
}  // namespace metal
