// The math library: half and bfloat are computed in float and rounded once.
#pragma once

#include "bool_vector.h"
#include "limits.h"

namespace metal {
#define MSL_NATIVE_1(f, T) \
  MSL_FN T f(T x) { return ::f(x); }
#define MSL_NARROW_1(f, T) \
  MSL_FN T f(T x) { return msl::to<msl::element<T>>(::f(msl::widen(x))); }
#define MSL_MATH_1(f) MSL_WIDTHS(MSL_NATIVE_1, f, float) MSL_SMALL_FLOATS(MSL_NARROW_1, f)

#define MSL_NATIVE_2(f, T) \
  MSL_FN T f(T x, T y) { return ::f(x, y); }
#define MSL_NARROW_2(f, T) \
  MSL_FN T f(T x, T y) { return msl::to<msl::element<T>>(::f(msl::widen(x), msl::widen(y))); }
#define MSL_MATH_2(f) MSL_WIDTHS(MSL_NATIVE_2, f, float) MSL_SMALL_FLOATS(MSL_NARROW_2, f)

MSL_MATH_1(acos) MSL_MATH_1(acosh) MSL_MATH_1(asin) MSL_MATH_1(asinh) MSL_MATH_1(atan) MSL_MATH_1(atanh)
MSL_MATH_1(cos) MSL_MATH_1(cosh) MSL_MATH_1(cospi) MSL_MATH_1(sin) MSL_MATH_1(sinh) MSL_MATH_1(sinpi)
MSL_MATH_1(tan) MSL_MATH_1(tanh) MSL_MATH_1(tanpi)
MSL_MATH_1(exp) MSL_MATH_1(exp2) MSL_MATH_1(exp10) MSL_MATH_1(log) MSL_MATH_1(log2) MSL_MATH_1(log10)
MSL_MATH_1(sqrt) MSL_MATH_1(rsqrt) MSL_MATH_1(fabs)
MSL_MATH_1(ceil) MSL_MATH_1(floor) MSL_MATH_1(trunc) MSL_MATH_1(rint) MSL_MATH_1(round)

MSL_MATH_2(atan2) MSL_MATH_2(copysign) MSL_MATH_2(fdim) MSL_MATH_2(fmod) MSL_MATH_2(pow) MSL_MATH_2(powr)
MSL_MATH_2(fmax) MSL_MATH_2(fmin)
MSL_WIDTHS(MSL_NATIVE_2, nextafter, float) MSL_WIDTHS(MSL_NATIVE_2, nextafter, half)

// Metal's max and min of floats are fmax and fmin: a NaN loses.
#define MSL_MIN_MAX(_, T)                           \
  MSL_FN T max(T x, T y) { return fmax(x, y); }     \
  MSL_FN T min(T x, T y) { return fmin(x, y); }
MSL_FLOATS(MSL_MIN_MAX, )

#define MSL_FMA(_, T) \
  MSL_FN T fma(T x, T y, T z) { return msl::to<msl::element<T>>(::fma(msl::widen(x), msl::widen(y), msl::widen(z))); }
MSL_FLOATS(MSL_FMA, )

#define MSL_FLOAT_ONLY(_, T)                                                         \
  MSL_FN T abs(T x) { return fabs(x); }                                              \
  MSL_FN T divide(T x, T y) { return x / y; }                                        \
  MSL_FN T fract(T x) {                                                              \
    constexpr float top = 1.0f - 0.5f * (float)numeric_limits<msl::element<T>>::epsilon(); \
    auto wide = msl::widen(x), part = wide - ::floor(wide);                          \
    return msl::to<msl::element<T>>(part > top ? (decltype(wide))top : part);        \
  }                                                                                  \
  MSL_FN T modf(T x, T& whole) {                                                     \
    auto wide = msl::widen(x), floor = ::trunc(wide);                                \
    auto part = ::select(wide - floor, (decltype(wide))0.0f, ::isinf(wide));         \
    whole = msl::to<msl::element<T>>(floor);                                         \
    return msl::to<msl::element<T>>(::copysign(part, wide));                         \
  }                                                                                  \
  MSL_FN T sincos(T x, T& cosine) {                                                  \
    T sine = sin(x);                                                                 \
    cosine = cos(x);                                                                 \
    return sine;                                                                     \
  }                                                                                  \
  MSL_FN T frexp(T x, msl::like<T, int>& exponent) {                                 \
    msl::like<T, int> e;                                                             \
    T r = msl::to<msl::element<T>>(::frexp(msl::widen(x), &e));                      \
    exponent = e;                                                                    \
    return r;                                                                        \
  }                                                                                  \
  MSL_FN T ldexp(T x, msl::like<T, int> k) {                                         \
    return msl::to<msl::element<T>>(::ldexp(msl::widen(x), k));                      \
  }                                                                                  \
  MSL_FN msl::like<T, int> ilogb(T x) { return ::ilogb(msl::widen(x)); }
MSL_FLOATS(MSL_FLOAT_ONLY, )

template <typename T>
METAL_FUNC T fmax3(T x, T y, T z) { return fmax(x, fmax(y, z)); }
template <typename T>
METAL_FUNC T fmin3(T x, T y, T z) { return fmin(x, fmin(y, z)); }
template <typename T>
METAL_FUNC T fmedian3(T x, T y, T z) { return fmax(fmin(x, y), fmin(fmax(x, y), z)); }

#undef MSL_NATIVE_1
#undef MSL_NARROW_1
#undef MSL_MATH_1
#undef MSL_NATIVE_2
#undef MSL_NARROW_2
#undef MSL_MATH_2
#undef MSL_MIN_MAX
#undef MSL_FMA
#undef MSL_FLOAT_ONLY

// One accuracy serves both: what precise promises.
namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}
}  // namespace metal
