// The math library.
#pragma once

#include "elementwise.h"
#include "limits.h"

namespace metal {
#define MSL_1(name, value) MSL_FLOAT_FUNCTION(name, [](float x) { return value; })
#define MSL_2(name, value) MSL_FLOAT_FUNCTION(name, [](float x, float y) { return value; })
#define MSL_3(name, value) MSL_FLOAT_FUNCTION(name, [](float x, float y, float z) { return value; })
MSL_1(acos, ::acosf(x))
MSL_1(acosh, ::acoshf(x))
MSL_1(asin, ::asinf(x))
MSL_1(asinh, ::asinhf(x))
MSL_1(atan, ::atanf(x))
MSL_1(atanh, ::atanhf(x))
MSL_1(cos, ::cosf(x))
MSL_1(cosh, ::coshf(x))
MSL_1(cospi, ::cospif(x))
MSL_1(sin, ::sinf(x))
MSL_1(sinh, ::sinhf(x))
MSL_1(sinpi, ::sinpif(x))
MSL_1(tan, ::tanf(x))
MSL_1(tanh, ::tanhf(x))
MSL_1(tanpi, ::sinpif(x) / ::cospif(x))
MSL_1(exp, ::expf(x))
MSL_1(exp2, ::exp2f(x))
MSL_1(exp10, ::exp10f(x))
MSL_1(log, ::logf(x))
MSL_1(log2, ::log2f(x))
MSL_1(log10, ::log10f(x))
MSL_1(sqrt, ::sqrtf(x))
MSL_1(rsqrt, ::rsqrtf(x))
MSL_1(fabs, ::fabsf(x))
MSL_1(ceil, ::ceilf(x))
MSL_1(floor, ::floorf(x))
MSL_1(trunc, ::truncf(x))
MSL_1(rint, ::rintf(x))
MSL_1(round, ::roundf(x))
MSL_2(atan2, ::atan2f(x, y))
MSL_2(copysign, ::copysignf(x, y))
MSL_2(fdim, ::fdimf(x, y))
MSL_2(fmod, ::fmodf(x, y))
MSL_2(pow, ::powf(x, y))
MSL_2(powr, ::powf(x, y))
MSL_2(fmax, ::fmaxf(x, y))
MSL_2(fmin, ::fminf(x, y))
MSL_2(divide, x / y)
MSL_2(hypot, ::hypotf(x, y))
MSL_3(fma, ::fmaf(x, y, z))
MSL_3(fmax3, ::fmaxf(x, ::fmaxf(y, z)))
MSL_3(fmin3, ::fminf(x, ::fminf(y, z)))
MSL_3(fmedian3, ::fmaxf(::fminf(x, y), ::fminf(::fmaxf(x, y), z)))
// Metal's max and min of floats are fmax and fmin: a NaN loses.
MSL_1(abs, ::fabsf(x))
MSL_2(max, ::fmaxf(x, y))
MSL_2(min, ::fminf(x, y))
#undef MSL_2
#undef MSL_3

template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> fract(const A& x) {
  constexpr float top = 1.0f - 0.5f * msl::epsilon<msl::element<A>>;
  return msl::map<msl::plain<A>, float>([](float x) { return x - ::floorf(x) > top ? top : x - ::floorf(x); }, x);
}
template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> nextafter(const A& x, const A& y) {
  static_assert(msl::is_same<msl::element<A>, float>, "nextafter is of float only");
  return msl::map<msl::plain<A>, float>([](float x, float y) { return ::nextafterf(x, y); }, x, y);
}
template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> modf(const A& x, msl::plain<A>& whole) {
  whole = trunc(x);
  return msl::map<msl::plain<A>, float>(
      [](float x) { return ::copysignf(::isinf(x) ? 0.0f : x - ::truncf(x), x); }, x);
}
template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> sincos(const A& x, msl::plain<A>& cosine) {
  cosine = cos(x);
  return sin(x);
}
template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> frexp(const A& x, msl::like<A, int>& exponent) {
  exponent = msl::map<msl::like<A, int>, float>([](float x) { int e; ::frexpf(x, &e); return e; }, x);
  return msl::map<msl::plain<A>, float>([](float x) { int e; return ::frexpf(x, &e); }, x);
}
template <typename A, typename K, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::plain<A> ldexp(const A& x, const K& k) {
  return msl::map<msl::plain<A>, float>([](float x, float k) { return ::ldexpf(x, (int)k); }, x, k);
}
template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>
msl::like<A, int> ilogb(const A& x) {
  return msl::map<msl::like<A, int>, float>([](float x) { return ::ilogbf(x); }, x);
}

// Special functions that MLX's kernels have and Metal lacks.
MSL_1(log1p, ::log1pf(x))
MSL_1(erf, ::erff(x))
MSL_1(erfinv, ::erfinvf(x))
MSL_1(expm1f, ::expm1f(x))
#undef MSL_1

// One accuracy serves both: what precise promises.
namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}
}  // namespace metal
