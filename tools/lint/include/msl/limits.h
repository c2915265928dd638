// <metal_limits> and the constants of <metal_math>.
#pragma once

#include "traits.h"

namespace metal {
/// The range and the precision of an arithmetic type.
template <typename T>
struct numeric_limits {
  static constexpr constant bool is_specialized = is_arithmetic_v<T>;
  static constexpr constant bool is_signed = is_signed_v<T>;
  static constexpr constant bool is_integer = is_integral_v<T>;
  static constexpr constant bool has_infinity = is_floating_point_v<T>;
  static constexpr constant int digits = is_same_v<T, float>    ? 24
                                         : is_same_v<T, half>   ? 11
                                         : is_same_v<T, bfloat> ? 8
                                                                : 8 * (int)sizeof(T) - is_signed_v<T>;
  static constexpr T max() { return T(0); }
  static constexpr T min() { return T(0); }
  static constexpr T lowest() { return T(0); }
  static constexpr T epsilon() { return T(0); }
  static constexpr T infinity() { return T(0); }
  static constexpr T quiet_NaN() { return T(0); }
  static constexpr T denorm_min() { return T(0); }
};
#define MSL_RANGE(T, low, high)                     \
  template <>                                       \
  constexpr T numeric_limits<T>::max() {            \
    return (T)(high);                               \
  }                                                 \
  template <>                                       \
  constexpr T numeric_limits<T>::min() {            \
    return (T)(low);                                \
  }                                                 \
  template <>                                       \
  constexpr T numeric_limits<T>::lowest() {         \
    return (T)(low);                                \
  }
MSL_RANGE(bool, false, true)
MSL_RANGE(char, -128, 127)
MSL_RANGE(int8_t, -128, 127)
MSL_RANGE(uchar, 0, 255)
MSL_RANGE(short, -32768, 32767)
MSL_RANGE(ushort, 0, 65535)
MSL_RANGE(int, -2147483647 - 1, 2147483647)
MSL_RANGE(uint, 0, 4294967295u)
MSL_RANGE(long, -9223372036854775807l - 1, 9223372036854775807l)
MSL_RANGE(ulong, 0, 18446744073709551615ul)
#undef MSL_RANGE
}  // namespace metal

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_huge_valf()
#define HUGE_VALH ((half)__builtin_huge_valf())
#define MAXFLOAT 3.402823466e+38f
#define MAXHALF 65504.0h
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define HALF_MAX 65504.0h
#define HALF_MIN 6.103515625e-05h
#define HALF_EPSILON 9.765625e-04h
#define CHAR_BIT 8
#define CHAR_MAX 127
#define CHAR_MIN (-128)
#define UCHAR_MAX 255
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-9223372036854775807l - 1)
#define ULONG_MAX 18446744073709551615ul
#define M_E_F 2.71828182845904523536f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.434294481903251827651f
#define M_LN2_F 0.693147180559945309417f
#define M_LN10_F 2.30258509299404568402f
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_PI_4_F 0.785398163397448309616f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.707106781186547524401f
#define M_PI_H 3.14159265358979323846h
#define M_E_H 2.71828182845904523536h
