// numeric_limits of every scalar type.
#pragma once

#include "types.h"

namespace metal {
// As the library calls it inside; others' types specialise it.
template <typename T>
struct _numeric_limits_impl {
  static constexpr constant bool is_specialized = false;
};

#define MSL_LIMIT(T, name, value) \
  static constexpr T name() { return (T)(value); }

#define MSL_INTEGER_LIMITS(T, bits, lowest_value, max_value)                   \
  template <>                                                                  \
  struct _numeric_limits_impl<T> {                                                   \
    static constexpr constant bool is_specialized = true, is_integer = true,   \
                                   is_exact = true, is_bounded = true;         \
    static constexpr constant bool is_signed = (T)(-1) < (T)1;                 \
    static constexpr constant bool has_infinity = false, has_quiet_NaN = false; \
    static constexpr constant int digits = bits, digits10 = bits * 3 / 10, radix = 2, max_digits10 = 0; \
    static constexpr constant int max_exponent = 0, min_exponent = 0;           \
    MSL_LIMIT(T, min, lowest_value)                                            \
    MSL_LIMIT(T, lowest, lowest_value)                                         \
    MSL_LIMIT(T, max, max_value)                                               \
    MSL_LIMIT(T, epsilon, 0)                                                   \
    MSL_LIMIT(T, round_error, 0)                                               \
    MSL_LIMIT(T, infinity, 0)                                                  \
    MSL_LIMIT(T, quiet_NaN, 0)                                                 \
    MSL_LIMIT(T, denorm_min, 0)                                                \
  };
MSL_INTEGER_LIMITS(bool, 1, false, true)
MSL_INTEGER_LIMITS(char, 7, -128, 127)
MSL_INTEGER_LIMITS(signed char, 7, -128, 127)
MSL_INTEGER_LIMITS(uchar, 8, 0, 0xff)
MSL_INTEGER_LIMITS(short, 15, -32768, 32767)
MSL_INTEGER_LIMITS(ushort, 16, 0, 0xffff)
MSL_INTEGER_LIMITS(int, 31, -2147483647 - 1, 2147483647)
MSL_INTEGER_LIMITS(uint, 32, 0, 0xffffffffu)
MSL_INTEGER_LIMITS(long, 63, -9223372036854775807l - 1, 9223372036854775807l)
MSL_INTEGER_LIMITS(ulong, 64, 0, 0xfffffffffffffffful)

#define MSL_FLOAT_LIMITS(T, mantissa, decimal, top_exponent, low_exponent, max_value, min_value, eps, denorm) \
  template <>                                                                    \
  struct _numeric_limits_impl<T> {                                                     \
    static constexpr constant bool is_specialized = true, is_integer = false,    \
                                   is_exact = false, is_bounded = true;          \
    static constexpr constant bool is_signed = true;                             \
    static constexpr constant bool has_infinity = true, has_quiet_NaN = true;    \
    static constexpr constant int digits = mantissa, digits10 = decimal, radix = 2, \
                                  max_digits10 = mantissa * 3 / 10 + 2;           \
    static constexpr constant int max_exponent = top_exponent, min_exponent = low_exponent; \
    MSL_LIMIT(T, min, min_value)                                                 \
    MSL_LIMIT(T, lowest, -(max_value))                                           \
    MSL_LIMIT(T, max, max_value)                                                 \
    MSL_LIMIT(T, epsilon, eps)                                                   \
    MSL_LIMIT(T, round_error, 0.5f)                                              \
    MSL_LIMIT(T, infinity, __builtin_inff())                                     \
    MSL_LIMIT(T, quiet_NaN, __builtin_nanf(""))                                  \
    MSL_LIMIT(T, signaling_NaN, __builtin_nanf(""))                              \
    MSL_LIMIT(T, denorm_min, denorm)                                             \
  };
MSL_FLOAT_LIMITS(float, 24, 6, 128, -125, 0x1.fffffep127f, 0x1p-126f, 0x1p-23f, 0x1p-149f)
MSL_FLOAT_LIMITS(half, 11, 3, 16, -13, 65504.0f, 0x1p-14f, 0x1p-10f, 0x1p-24f)
MSL_FLOAT_LIMITS(bfloat, 8, 2, 128, -125, 0x1.fep127f, 0x1p-126f, 0x1p-7f, 0x1p-133f)

#undef MSL_LIMIT
#undef MSL_INTEGER_LIMITS
#undef MSL_FLOAT_LIMITS

/// The range and the precision of an arithmetic type.
template <typename T>
struct numeric_limits : _numeric_limits_impl<T> {};
template <typename T>
struct numeric_limits<const T> : numeric_limits<T> {};
// What `decltype` says of a local variable.
template <typename T>
struct numeric_limits<__private T> : numeric_limits<T> {};
}  // namespace metal
