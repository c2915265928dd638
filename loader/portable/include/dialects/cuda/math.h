// The functions of each element, as CUDA calls them.
#pragma once

#include "elementwise.h"
#include "limits.h"

#define MSL_INFINITY __int_as_float(0x7f800000)

namespace msl {
template <typename A>
using truth = like<A, bool>;
template <typename A>
float wide_dot(const A& x, const A& y) {
  float sum = 0.0f;
#pragma unroll
  for (int i = 0; i < size<A>; ++i) sum = ::fmaf((float)at(x, i), (float)at(y, i), sum);
  return sum;
}
// x as a vector of float.
template <typename A>
metal::vec<float, size<A>> widened(const A& x) {
  return metal::vec<float, size<A>>(plain<A>(x));
}
// 2^x to two units in the last place, and 0 where float has no normal number for it, as Metal allows: for the others a
// compiler adds three instructions to the one that this takes.
inline float power_of_two(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
template <typename A>
float wide_length(const A& x) { return ::sqrtf(wide_dot(x, x)); }
template <typename... A>
using if_vectors = enable_if<(is_vector<A> && ...) && all_floats<A...>, int>;
}  // namespace msl
#define MSL_FLOAT_1(name, ...) \
  MSL_FLOAT_FUNCTION(name, [](float x) { using X = float; return (float)(__VA_ARGS__); })
#define MSL_FLOAT_2(name, ...) \
  MSL_FLOAT_FUNCTION(name, [](float x, float y) { using X = float; return (float)(__VA_ARGS__); })
#define MSL_FLOAT_3(name, ...) \
  MSL_FLOAT_FUNCTION(name, [](float x, float y, float z) { using X = float; return (float)(__VA_ARGS__); })
#define MSL_NATIVE_1(name) MSL_FLOAT_1(name, ::name(x))
#define MSL_NATIVE_2(name) MSL_FLOAT_2(name, ::name(x, y))
#define MSL_NATIVE_3(name) MSL_FLOAT_3(name, ::name(x, y, z))
#define MSL_COMPOSED_1 MSL_FLOAT_1
#define MSL_COMPOSED_2 MSL_FLOAT_2
#define MSL_COMPOSED_3 MSL_FLOAT_3
#define MSL_NUMBER_3(name, ...)                            \
  template <typename A, typename B, typename C>            \
  auto name(const A& x, const B& y, const C& z) { return __VA_ARGS__; }
#define MSL_OPENCL_1 MSL_FLOAT_1
#define MSL_OPENCL_2 MSL_FLOAT_2
#define MSL_TEST_1(name, ...)                                                                                     \
  template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>                                              \
  msl::truth<A> name(const A& a) {                                                                                \
    using E = msl::element<A>;                                                                                    \
    return msl::map<msl::truth<A>, float>([](float x) { using X = float; return (bool)(__VA_ARGS__); }, a);       \
  }
#define MSL_FORMULA_TEST_1 MSL_TEST_1
#define MSL_TEST_2(name, ...)                                                                                     \
  template <typename A, typename B, msl::enable_if<msl::all_floats<A, B>, int> = 0>                               \
  auto name(const A& a, const B& b) {                                                                             \
    using R = msl::truth<msl::together_t<A, B>>;                                                                  \
    return msl::map<R, float>([](float x, float y) { return (bool)(__VA_ARGS__); }, a, b);                        \
  }
// Functions of whole vectors, of which x, y and z are the wide ones.
#define MSL_WHOLE_1(R, name, ...)                    \
  template <typename A, msl::if_vectors<A> = 0>      \
  R name(const A& a) {                               \
    const auto x = msl::widened(a);                  \
    return R(__VA_ARGS__);                           \
  }
#define MSL_WHOLE_2(R, name, ...)                                 \
  template <typename A, typename B, msl::if_vectors<A, B> = 0>    \
  R name(const A& a, const B& b) {                                \
    const auto x = msl::widened(a), y = msl::widened(b);          \
    return R(__VA_ARGS__);                                        \
  }
#define MSL_WHOLE_3(R, name, ...)                                                     \
  template <typename A, typename B, typename C, msl::if_vectors<A, B, C> = 0>         \
  R name(const A& a, const B& b, const C& c) {                                        \
    const auto x = msl::widened(a), y = msl::widened(b), z = msl::widened(c);         \
    return R(__VA_ARGS__);                                                            \
  }
#define MSL_OWN(name)
#define MSL_SCALAR_1(...) MSL_WHOLE_1(msl::element<A>, __VA_ARGS__)
#define MSL_SCALAR_2(...) MSL_WHOLE_2(msl::element<A>, __VA_ARGS__)
#define MSL_VECTOR_1(...) MSL_WHOLE_1(msl::plain<A>, __VA_ARGS__)
#define MSL_VECTOR_2(...) MSL_WHOLE_2(msl::plain<A>, __VA_ARGS__)
#define MSL_VECTOR_3(...) MSL_WHOLE_3(msl::plain<A>, __VA_ARGS__)

#include "../../library/directions.h"
namespace metal {
#include "../../library/elementwise.h"

template <typename A, typename T, msl::if_vectors<A> = 0>
msl::plain<A> refract(const A& incident, const A& n, T eta) {
  return msl::plain<A>(msl::refracted(msl::widened(incident), msl::widened(n), (float)eta));
}
MSL_VECTOR_2(cross, x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0])
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
MSL_NATIVE_1(log1p)
MSL_NATIVE_1(erf)
MSL_NATIVE_1(erfinv)
MSL_FLOAT_1(expm1f, ::expm1f(x))
MSL_NATIVE_2(hypot)

template <typename A, msl::enable_if<msl::is_value<A>, int> = 0>
bool any(const A& x) {
  bool r = false;
  for (int i = 0; i < msl::size<A>; ++i) r |= (bool)msl::at(x, i);
  return r;
}
template <typename A, msl::enable_if<msl::is_value<A>, int> = 0>
bool all(const A& x) {
  bool r = true;
  for (int i = 0; i < msl::size<A>; ++i) r &= (bool)msl::at(x, i);
  return r;
}
template <typename A, typename B, typename C>
auto select(const A& no, const B& yes, const C& condition) {
  using R = msl::together_t<A, B>;
  if constexpr (msl::is_vector<R>) {
    R r;
    for (int i = 0; i < msl::size<R>; ++i)
      r[i] = static_cast<msl::element<R>>((bool)msl::at(condition, i) ? msl::at(yes, i) : msl::at(no, i));
    return r;
  } else {
    return condition ? static_cast<R>(yes) : static_cast<R>(no);
  }
}

// One accuracy serves both: what precise promises.
namespace fast {
using namespace metal;
}
namespace precise {
using namespace metal;
}
}  // namespace metal
