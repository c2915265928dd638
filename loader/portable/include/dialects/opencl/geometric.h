// The geometric functions: summed in float, rounded once.
#pragma once

#include "common.h"

namespace metal {
#define MSL_GEOMETRIC(T, V)                                                                      \
  MSL_FN T dot(V x, V y) { return (T)::dot(msl::widen(x), msl::widen(y)); }                      \
  MSL_FN T length_squared(V x) { return dot(x, x); }                                             \
  MSL_FN T length(V x) { return (T)::length(msl::widen(x)); }                                    \
  MSL_FN T distance_squared(V x, V y) {                                                          \
    auto d = msl::widen(x) - msl::widen(y);                                                      \
    return (T)::dot(d, d);                                                                       \
  }                                                                                              \
  MSL_FN T distance(V x, V y) { return (T)::length(msl::widen(x) - msl::widen(y)); }             \
  MSL_FN V normalize(V x) {                                                                      \
    auto wide = msl::widen(x);                                                                   \
    return msl::to<T>(wide * ::rsqrt(::dot(wide, wide)));                                        \
  }                                                                                              \
  MSL_FN V faceforward(V n, V incident, V reference) {                                           \
    return ::dot(msl::widen(reference), msl::widen(incident)) < 0.0f ? n : -n;                   \
  }                                                                                              \
  MSL_FN V reflect(V incident, V n) {                                                            \
    auto i = msl::widen(incident), wide = msl::widen(n);                                         \
    return msl::to<T>(i - 2.0f * ::dot(wide, i) * wide);                                         \
  }                                                                                              \
  MSL_FN V refract(V incident, V n, T eta) {                                                     \
    auto i = msl::widen(incident), wide = msl::widen(n);                                         \
    float ratio = (float)eta, cosine = ::dot(wide, i);                                           \
    float k = 1.0f - ratio * ratio * (1.0f - cosine * cosine);                                   \
    return k < 0.0f ? (V)(T)0.0f : msl::to<T>(ratio * i - (ratio * cosine + ::sqrt(k)) * wide);  \
  }
#define MSL_GEOMETRIC_WIDTHS(_, T) MSL_GEOMETRIC(T, T##2) MSL_GEOMETRIC(T, T##3) MSL_GEOMETRIC(T, T##4)
MSL_GEOMETRIC_WIDTHS(, float)
MSL_GEOMETRIC_WIDTHS(, half)
MSL_GEOMETRIC_WIDTHS(, bfloat)

#define MSL_CROSS(T) \
  MSL_FN T cross(T x, T y) { return msl::to<msl::element<T>>(::cross(msl::widen(x), msl::widen(y))); }
MSL_CROSS(float3)
MSL_CROSS(half3)
MSL_CROSS(bfloat3)
#undef MSL_GEOMETRIC
#undef MSL_GEOMETRIC_WIDTHS
#undef MSL_CROSS
}  // namespace metal
