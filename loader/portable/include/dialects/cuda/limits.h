// numeric_limits of every scalar type, and the constants with names.
#pragma once

#include "type_traits.h"

namespace msl {
template <typename T>
constexpr float epsilon = 0x1p-23f;
template <>
constexpr float epsilon<half> = 0x1p-10f;
template <>
constexpr float epsilon<bfloat> = 0x1p-7f;
template <typename T>
constexpr float smallest = 0x1p-126f;
template <>
constexpr float smallest<half> = 0x1p-14f;

template <typename T, int Digits, int Digits10, int MaxExponent, int MinExponent>
struct small_limits {
  static constexpr bool is_specialized = true, is_integer = false, is_exact = false, is_bounded = true;
  static constexpr bool is_signed = true, has_infinity = true, has_quiet_NaN = true;
  static constexpr int digits = Digits, digits10 = Digits10, radix = 2;
  static constexpr int max_exponent = MaxExponent, min_exponent = MinExponent;
};
}  // namespace msl

namespace metal {
template <typename T>
struct numeric_limits : cuda::std::numeric_limits<T> {};
// Bits, because a conversion is no constant.
#define MSL_BITS(T, name, value) \
  static constexpr T name() { return T::of_bits(value); }
template <>
struct numeric_limits<half> : msl::small_limits<half, 11, 3, 16, -13> {
  MSL_BITS(half, min, 0x0400)
  MSL_BITS(half, lowest, 0xfbff)
  MSL_BITS(half, max, 0x7bff)
  MSL_BITS(half, epsilon, 0x1400)
  MSL_BITS(half, round_error, 0x3800)
  MSL_BITS(half, infinity, 0x7c00)
  MSL_BITS(half, quiet_NaN, 0x7e00)
  MSL_BITS(half, signaling_NaN, 0x7e00)
  MSL_BITS(half, denorm_min, 0x0001)
};
template <>
struct numeric_limits<bfloat> : msl::small_limits<bfloat, 8, 2, 128, -125> {
  MSL_BITS(bfloat, min, 0x0080)
  MSL_BITS(bfloat, lowest, 0xff7f)
  MSL_BITS(bfloat, max, 0x7f7f)
  MSL_BITS(bfloat, epsilon, 0x3c00)
  MSL_BITS(bfloat, round_error, 0x3f00)
  MSL_BITS(bfloat, infinity, 0x7f80)
  MSL_BITS(bfloat, quiet_NaN, 0x7fc0)
  MSL_BITS(bfloat, signaling_NaN, 0x7fc0)
  MSL_BITS(bfloat, denorm_min, 0x0001)
};
#undef MSL_BITS
}  // namespace metal
