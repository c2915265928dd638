// <metal_math> and the float part of <metal_common>: overloads, as Metal's own, so that mixed types are ambiguous here too.
#pragma once

#include "limits.h"
#include "vector.h"

#define MSL_WIDTHS(M, name, T) M(name, T) M(name, T##2) M(name, T##3) M(name, T##4)
#define MSL_FLOATS(M, name) MSL_WIDTHS(M, name, float) MSL_WIDTHS(M, name, half) M(name, bfloat)
#define MSL_UNARY(name, T) T name(T x);
#define MSL_BINARY(name, T) T name(T x, T y);
#define MSL_TERNARY(name, T) T name(T x, T y, T z);
#define MSL_SPLIT(name, T) T name(T x, thread T& y);
#define MSL_TEST(name, T) vector_bool_t<T> name(T x);

#define MSL_MATH(M)                                                                                     \
  M(MSL_UNARY, acos) M(MSL_UNARY, acosh) M(MSL_UNARY, asin) M(MSL_UNARY, asinh) M(MSL_UNARY, atan)      \
  M(MSL_UNARY, atanh) M(MSL_UNARY, ceil) M(MSL_UNARY, cos) M(MSL_UNARY, cosh) M(MSL_UNARY, cospi)       \
  M(MSL_UNARY, exp) M(MSL_UNARY, exp2) M(MSL_UNARY, exp10) M(MSL_UNARY, fabs) M(MSL_UNARY, floor)       \
  M(MSL_UNARY, fract) M(MSL_UNARY, log) M(MSL_UNARY, log2) M(MSL_UNARY, log10) M(MSL_UNARY, rint)       \
  M(MSL_UNARY, round) M(MSL_UNARY, rsqrt) M(MSL_UNARY, sin) M(MSL_UNARY, sinh) M(MSL_UNARY, sinpi)      \
  M(MSL_UNARY, sqrt) M(MSL_UNARY, tan) M(MSL_UNARY, tanh) M(MSL_UNARY, tanpi) M(MSL_UNARY, trunc)       \
  M(MSL_UNARY, abs) M(MSL_UNARY, saturate) M(MSL_UNARY, sign) M(MSL_BINARY, atan2)                      \
  M(MSL_BINARY, copysign) M(MSL_BINARY, divide) M(MSL_BINARY, fdim) M(MSL_BINARY, fmax)                 \
  M(MSL_BINARY, fmin) M(MSL_BINARY, fmod) M(MSL_BINARY, max) M(MSL_BINARY, min)                         \
  M(MSL_BINARY, nextafter) M(MSL_BINARY, pow) M(MSL_BINARY, powr) M(MSL_BINARY, step)                   \
  M(MSL_TERNARY, clamp) M(MSL_TERNARY, fma) M(MSL_TERNARY, fmax3) M(MSL_TERNARY, fmedian3)              \
  M(MSL_TERNARY, fmin3) M(MSL_TERNARY, max3) M(MSL_TERNARY, median3) M(MSL_TERNARY, min3)               \
  M(MSL_TERNARY, mix) M(MSL_TERNARY, smoothstep) M(MSL_SPLIT, modf) M(MSL_SPLIT, sincos)                \
  M(MSL_TEST, isfinite) M(MSL_TEST, isinf) M(MSL_TEST, isnan) M(MSL_TEST, isnormal) M(MSL_TEST, signbit)

namespace metal {
#define MSL_EVERY_FLOAT(M, name) MSL_FLOATS(M, name)
#define MSL_FLOAT_ONLY(M, name) MSL_WIDTHS(M, name, float)
MSL_MATH(MSL_EVERY_FLOAT)
// With less accuracy, and with the accuracy of the standard: fast::exp(x), precise::exp(x).
namespace fast {
MSL_MATH(MSL_FLOAT_ONLY)
}
namespace precise {
MSL_MATH(MSL_FLOAT_ONLY)
}
#undef MSL_EVERY_FLOAT
#undef MSL_FLOAT_ONLY

// A scalar bound or weight stands for a vector of it.
#define MSL_WITH_SCALAR(T)       \
  T##2 clamp(T##2, T, T);        \
  T##3 clamp(T##3, T, T);        \
  T##4 clamp(T##4, T, T);        \
  T##2 mix(T##2, T##2, T);       \
  T##3 mix(T##3, T##3, T);       \
  T##4 mix(T##4, T##4, T);
MSL_WITH_SCALAR(float)
MSL_WITH_SCALAR(half)
#undef MSL_WITH_SCALAR

#define MSL_EXPONENT(T, I)        \
  T frexp(T x, thread I& e);      \
  T ldexp(T x, I e);              \
  I ilogb(T x);
#define MSL_EXPONENTS(T) \
  MSL_EXPONENT(T, int) MSL_EXPONENT(T##2, int2) MSL_EXPONENT(T##3, int3) MSL_EXPONENT(T##4, int4)
MSL_EXPONENTS(float)
MSL_EXPONENTS(half)
MSL_EXPONENT(bfloat, int)
#undef MSL_EXPONENTS
#undef MSL_EXPONENT

// Those that a kernel author looks up, once more with what they do: the editor shows it.
/// e to the x. metal::fast::exp and metal::precise::exp choose the accuracy.
float exp(float x);
/// The natural logarithm of x.
float log(float x);
/// x * y + z, rounded once.
float fma(float x, float y, float z);
/// 1 / sqrt(x).
float rsqrt(float x);
/// The larger of x and y. Both must have the same type.
float max(float x, float y);
/// The smaller of x and y. Both must have the same type.
float min(float x, float y);
/// x, but at least y and at most z.
float clamp(float x, float y, float z);
}  // namespace metal
