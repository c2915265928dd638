// The functions of each element: overloads, as Metal's own, so that mixed types are ambiguous here too.
#pragma once

#include "limits.h"
#include "packed.h"

#define MSL_WIDTHS(M, name, T) M(name, T) M(name, T##2) M(name, T##3) M(name, T##4)
#define MSL_FLOATS(M, name) MSL_WIDTHS(M, name, float) MSL_OF_SMALL(M, name)
#define MSL_INTEGERS(M, name)                                                                    \
  MSL_WIDTHS(M, name, char) MSL_WIDTHS(M, name, uchar) MSL_WIDTHS(M, name, short)                \
  MSL_WIDTHS(M, name, ushort) MSL_WIDTHS(M, name, int) MSL_WIDTHS(M, name, uint)                 \
  MSL_WIDTHS(M, name, long) MSL_WIDTHS(M, name, ulong)
#define MSL_UNARY(name, T) T name(T x);
#define MSL_BINARY(name, T) T name(T x, T y);
#define MSL_TERNARY(name, T) T name(T x, T y, T z);
#define MSL_SPLIT(name, T) T name(T x, thread T& y);
#define MSL_TRUTH_1(name, T) vector_bool_t<T> name(T x);
#define MSL_TRUTH_2(name, T) vector_bool_t<T> name(T x, T y);

#define MSL_FLOAT_1(name, ...) MSL_FLOATS(MSL_UNARY, name)
#define MSL_FLOAT_2(name, ...) MSL_FLOATS(MSL_BINARY, name)
#define MSL_FLOAT_3(name, ...) MSL_FLOATS(MSL_TERNARY, name)
#define MSL_NATIVE_1 MSL_FLOAT_1
#define MSL_NATIVE_2 MSL_FLOAT_2
#define MSL_NATIVE_3 MSL_FLOAT_3
#define MSL_COMPOSED_1 MSL_FLOAT_1
#define MSL_COMPOSED_2 MSL_FLOAT_2
#define MSL_COMPOSED_3 MSL_FLOAT_3
#define MSL_NUMBER_3 MSL_FLOAT_3
#define MSL_OPENCL_1 MSL_FLOAT_1
#define MSL_OPENCL_2 MSL_FLOAT_2
#define MSL_TEST_1(name, ...) MSL_FLOATS(MSL_TRUTH_1, name)
#define MSL_FORMULA_TEST_1 MSL_TEST_1
#define MSL_TEST_2(name, ...) MSL_FLOATS(MSL_TRUTH_2, name)
// Of vectors, and of packed vectors, which become vectors first.
#define MSL_SCALAR_1(name, ...)     \
  template <typename T, int N>      \
  T name(vec<T, N> x);              \
  template <typename T, int N>      \
  T name(packed_vec<T, N> x);
#define MSL_SCALAR_2(name, ...)                           \
  template <typename T, int N>                            \
  T name(vec<T, N> x, type_identity_t<vec<T, N>> y);      \
  template <typename T, int N>                            \
  T name(packed_vec<T, N> x, type_identity_t<vec<T, N>> y);
#define MSL_VECTOR_1(name, ...)     \
  template <typename T, int N>      \
  vec<T, N> name(vec<T, N> x);      \
  template <typename T, int N>      \
  vec<T, N> name(packed_vec<T, N> x);
#define MSL_VECTOR_2(name, ...) \
  template <typename T, int N>  \
  vec<T, N> name(vec<T, N> x, type_identity_t<vec<T, N>> y);
#define MSL_VECTOR_3(name, ...) \
  template <typename T, int N>  \
  vec<T, N> name(vec<T, N> x, type_identity_t<vec<T, N>> y, type_identity_t<vec<T, N>> z);
#define MSL_OWN(name)
#define MSL_OTHERS MSL_FLOATS(MSL_SPLIT, modf) MSL_FLOATS(MSL_SPLIT, sincos) MSL_FLOATS(MSL_BINARY, nextafter)

namespace metal {
#define MSL_OF_SMALL(M, name) MSL_WIDTHS(M, name, half) M(name, bfloat)
#include "../../library/elementwise.h"
MSL_OTHERS
template <typename T, int N>
vec<T, N> refract(vec<T, N> incident, type_identity_t<vec<T, N>> normal, type_identity_t<T> eta);
float3 cross(float3 x, float3 y);
half3 cross(half3 x, half3 y);

// Of float alone with less accuracy, and with the accuracy of the standard: fast::exp(x), precise::exp(x).
#undef MSL_OF_SMALL
#define MSL_OF_SMALL(M, name)
namespace fast {
#include "../../library/elementwise.h"
MSL_OTHERS
using metal::cross;
using metal::refract;
}  // namespace fast
namespace precise {
#include "../../library/elementwise.h"
MSL_OTHERS
using metal::cross;
using metal::refract;
}  // namespace precise
#undef MSL_OF_SMALL
#define MSL_OF_SMALL(M, name) MSL_WIDTHS(M, name, half) M(name, bfloat)

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
