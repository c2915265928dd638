// <metal_limits> and the constants of <metal_math>.
#pragma once

#include "traits.h"

namespace metal {
// As the library calls it inside; others' types specialise it.
template <typename T>
struct _numeric_limits_impl {
  static constexpr constant bool is_specialized = is_arithmetic_v<T>;
  static constexpr constant bool is_signed = is_signed_v<T>;
  static constexpr constant bool is_integer = is_integral_v<T>;
  static constexpr constant bool is_exact = is_integral_v<T>;
  static constexpr constant bool is_bounded = is_arithmetic_v<T>;
  static constexpr constant bool has_infinity = is_floating_point_v<T>;
  static constexpr constant bool has_quiet_NaN = is_floating_point_v<T>;
  static constexpr constant int radix = 2;
  static constexpr constant int digits = is_same_v<T, float>    ? 24
                                         : is_same_v<T, half>   ? 11
                                         : is_same_v<T, bfloat> ? 8
                                                                : 8 * (int)sizeof(T) - is_signed_v<T>;
  static constexpr constant int digits10 = (is_integer ? digits : digits - 1) * 3 / 10;
  static constexpr constant int max_digits10 = is_integer ? 0 : digits * 3 / 10 + 2;
  static constexpr constant int max_exponent = is_integer ? 0 : is_same_v<T, half> ? 16 : 128;
  static constexpr constant int min_exponent = is_integer ? 0 : is_same_v<T, half> ? -13 : -125;
  static constexpr T max() { return T(0); }
  static constexpr T min() { return T(0); }
  static constexpr T lowest() { return T(0); }
  static constexpr T epsilon() { return T(0); }
  static constexpr T infinity() { return T(0); }
  static constexpr T quiet_NaN() { return T(0); }
  static constexpr T signaling_NaN() { return T(0); }
  static constexpr T round_error() { return T(0); }
  static constexpr T denorm_min() { return T(0); }
};
#define MSL_RANGE(T, low, high)                     \
  template <>                                       \
  constexpr T _numeric_limits_impl<T>::max() {      \
    return (T)(high);                               \
  }                                                 \
  template <>                                       \
  constexpr T _numeric_limits_impl<T>::min() {      \
    return (T)(low);                                \
  }                                                 \
  template <>                                       \
  constexpr T _numeric_limits_impl<T>::lowest() {   \
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
/// The range and the precision of an arithmetic type.
template <typename T>
struct numeric_limits : _numeric_limits_impl<T> {};
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
#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MAX_10_EXP 38
#define FLT_MAX_EXP 128
#define FLT_MIN_10_EXP (-37)
#define FLT_MIN_EXP (-125)
#define FLT_RADIX 2
#define HALF_DIG 3
#define HALF_MANT_DIG 11
#define HALF_MAX_10_EXP 4
#define HALF_MAX_EXP 16
#define HALF_MIN_10_EXP (-4)
#define HALF_MIN_EXP (-13)
#define HALF_RADIX 2
#define BFLT_DIG 2
#define BFLT_MANT_DIG 8
#define BFLT_MAX_10_EXP 38
#define BFLT_MAX_EXP 128
#define BFLT_MIN_10_EXP (-37)
#define BFLT_MIN_EXP (-125)
#define BFLT_RADIX 2
#define BFLT_MAX ((bfloat)0x1.fep127f)
#define BFLT_MIN ((bfloat)0x1p-126f)
#define BFLT_EPSILON ((bfloat)0x1p-7f)
#define HUGE_VALBF ((bfloat)__builtin_huge_valf())
#define FP_ILOGB0 (-2147483647 - 1)
#define FP_ILOGBNAN (-2147483647 - 1)
#define HALF_MAX 65504.0h
#define HALF_MIN 6.103515625e-05h
#define HALF_EPSILON 9.765625e-04h
#define CHAR_BIT 8
#define SCHAR_MAX 127
#define SCHAR_MIN (-128)
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
#define M_1_SQRT2_F M_SQRT1_2_F
#define M_1_SQRT2_H M_SQRT1_2_H
#define M_E_H 2.71828182845904523536h
#define M_LOG2E_H 1.44269504088896340736h
#define M_LOG10E_H 0.434294481903251827651h
#define M_LN2_H 0.693147180559945309417h
#define M_LN10_H 2.30258509299404568402h
#define M_PI_H 3.14159265358979323846h
#define M_PI_2_H 1.57079632679489661923h
#define M_PI_4_H 0.785398163397448309616h
#define M_1_PI_H 0.318309886183790671538h
#define M_2_PI_H 0.636619772367581343076h
#define M_2_SQRTPI_H 1.12837916709551257390h
#define M_SQRT2_H 1.41421356237309504880h
#define M_SQRT1_2_H 0.707106781186547524401h
#define M_E_BF ((bfloat)2.71828182845904523536f)
#define M_LOG2E_BF ((bfloat)1.44269504088896340736f)
#define M_LOG10E_BF ((bfloat)0.434294481903251827651f)
#define M_LN2_BF ((bfloat)0.693147180559945309417f)
#define M_LN10_BF ((bfloat)2.30258509299404568402f)
#define M_PI_BF ((bfloat)3.14159265358979323846f)
#define M_PI_2_BF ((bfloat)1.57079632679489661923f)
#define M_PI_4_BF ((bfloat)0.785398163397448309616f)
#define M_1_PI_BF ((bfloat)0.318309886183790671538f)
#define M_2_PI_BF ((bfloat)0.636619772367581343076f)
#define M_2_SQRTPI_BF ((bfloat)1.12837916709551257390f)
#define M_SQRT2_BF ((bfloat)1.41421356237309504880f)
#define M_SQRT1_2_BF ((bfloat)0.707106781186547524401f)
