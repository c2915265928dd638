// The common, relational and geometric functions.
#pragma once

#include "integer.h"

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
template <typename A, typename B>
using pair_of_vectors = enable_if<is_vector<A> && is_vector<B> && all_floats<A, B>, int>;
}  // namespace msl

namespace metal {
MSL_FLOAT_FUNCTION(clamp, [](float x, float low, float high) { return ::fminf(::fmaxf(x, low), high); })
MSL_FLOAT_FUNCTION(saturate, [](float x) { return ::fminf(::fmaxf(x, 0.0f), 1.0f); })
MSL_FLOAT_FUNCTION(mix, [](float x, float y, float a) { return x + (y - x) * a; })
MSL_FLOAT_FUNCTION(sign, [](float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == 0.0f ? x : 0.0f; })
MSL_FLOAT_FUNCTION(step, [](float edge, float x) { return x < edge ? 0.0f : 1.0f; })
MSL_FLOAT_FUNCTION(smoothstep, [](float low, float high, float x) {
  const float t = ::fminf(::fmaxf((x - low) / (high - low), 0.0f), 1.0f);
  return t * t * (3.0f - 2.0f * t);
})
template <typename A, typename B, typename C>
auto max3(const A& x, const B& y, const C& z) { return max(x, max(y, z)); }
template <typename A, typename B, typename C>
auto min3(const A& x, const B& y, const C& z) { return min(x, min(y, z)); }
template <typename A, typename B, typename C>
auto median3(const A& x, const B& y, const C& z) { return max(min(x, y), min(max(x, y), z)); }

#define MSL_TEST(name, value)                                                            \
  template <typename A, msl::enable_if<msl::all_floats<A>, int> = 0>                     \
  msl::truth<A> name(const A& a) {                                                       \
    constexpr float smallest = msl::is_same<msl::element<A>, half> ? 0x1p-14f : 0x1p-126f; \
    return msl::map<msl::truth<A>, float>([](float x) { (void)smallest; return value; }, a); \
  }
MSL_TEST(isnan, x != x)
MSL_TEST(isinf, ::fabsf(x) == __int_as_float(0x7f800000))
MSL_TEST(isfinite, ::fabsf(x) < __int_as_float(0x7f800000))
MSL_TEST(isnormal, ::fabsf(x) >= smallest && ::fabsf(x) < __int_as_float(0x7f800000))
MSL_TEST(signbit, __float_as_int(x) < 0)
#undef MSL_TEST
template <typename A, typename B, msl::enable_if<msl::all_floats<A, B>, int> = 0>
auto isordered(const A& a, const B& b) {
  return msl::map<msl::truth<msl::together_t<A, B>>, float>([](float x, float y) { return x == x && y == y; }, a, b);
}
template <typename A, typename B, msl::enable_if<msl::all_floats<A, B>, int> = 0>
auto isunordered(const A& a, const B& b) { return !isordered(a, b); }

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

// Summed in float, rounded once.
template <typename A, typename B, msl::pair_of_vectors<A, B> = 0>
msl::element<A> dot(const A& x, const B& y) { return msl::wide_dot(msl::widened(x), msl::widened(y)); }
template <typename A, msl::pair_of_vectors<A, A> = 0>
msl::element<A> length_squared(const A& x) { return dot(x, x); }
template <typename A, msl::pair_of_vectors<A, A> = 0>
msl::element<A> length(const A& x) {
  return ::sqrtf(msl::wide_dot(msl::widened(x), msl::widened(x)));
}
template <typename A, typename B, msl::pair_of_vectors<A, B> = 0>
msl::element<A> distance_squared(const A& x, const B& y) {
  return length_squared(msl::widened(x) - msl::widened(y));
}
template <typename A, typename B, msl::pair_of_vectors<A, B> = 0>
msl::element<A> distance(const A& x, const B& y) { return length(msl::widened(x) - msl::widened(y)); }
template <typename A, msl::pair_of_vectors<A, A> = 0>
msl::plain<A> normalize(const A& x) {
  const auto v = msl::widened(x);
  return msl::plain<A>(v * ::rsqrtf(msl::wide_dot(v, v)));
}
template <typename A, msl::pair_of_vectors<A, A> = 0>
msl::plain<A> faceforward(const A& n, const A& incident, const A& reference) {
  return msl::wide_dot(msl::widened(reference), msl::widened(incident)) < 0.0f ? msl::plain<A>(n) : -n;
}
template <typename A, msl::pair_of_vectors<A, A> = 0>
msl::plain<A> reflect(const A& incident, const A& n) {
  const auto i = msl::widened(incident), normal = msl::widened(n);
  return msl::plain<A>(i - 2.0f * msl::wide_dot(normal, i) * normal);
}
template <typename A, typename T, msl::pair_of_vectors<A, A> = 0>
msl::plain<A> refract(const A& incident, const A& n, T eta) {
  const auto i = msl::widened(incident), normal = msl::widened(n);
  const float ratio = (float)eta, cosine = msl::wide_dot(normal, i);
  const float k = 1.0f - ratio * ratio * (1.0f - cosine * cosine);
  return k < 0.0f ? msl::plain<A>(0) : msl::plain<A>(ratio * i - (ratio * cosine + ::sqrtf(k)) * normal);
}
template <typename A, typename B, msl::pair_of_vectors<A, B> = 0>
msl::plain<A> cross(const A& a, const B& b) {
  const auto x = msl::widened(a), y = msl::widened(b);
  return msl::plain<A>(x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]);
}
}  // namespace metal
