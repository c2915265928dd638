// The common functions (clamp, mix, step...), and min3, max3, median3 of any type.
#pragma once

#include "integer.h"
#include "math.h"

namespace metal {
#define MSL_COMMON(_, T)                                                                           \
  MSL_FN T clamp(T x, T low, T high) { return fmin(fmax(x, low), high); }                          \
  MSL_FN T saturate(T x) { return clamp(x, (T)(msl::element<T>)0, (T)(msl::element<T>)1); }        \
  MSL_FN T mix(T x, T y, T a) {                                                                    \
    auto wide = msl::widen(x);                                                                     \
    return msl::to<msl::element<T>>(wide + (msl::widen(y) - wide) * msl::widen(a));                \
  }                                                                                                \
  MSL_FN T sign(T x) { return msl::to<msl::element<T>>(::sign(msl::widen(x))); }                   \
  MSL_FN T step(T edge, T x) {                                                                     \
    return msl::to<msl::element<T>>(::step(msl::widen(edge), msl::widen(x)));                      \
  }                                                                                                \
  MSL_FN T smoothstep(T low, T high, T x) {                                                        \
    auto start = msl::widen(low);                                                                  \
    auto t = clamp((msl::widen(x) - start) / (msl::widen(high) - start), (decltype(start))0.0f,    \
                   (decltype(start))1.0f);                                                         \
    return msl::to<msl::element<T>>(t * t * (3.0f - 2.0f * t));                                    \
  }
MSL_FLOATS(MSL_COMMON, )
#undef MSL_COMMON

template <typename T>
METAL_FUNC T max3(T x, T y, T z) { return max(x, max(y, z)); }
template <typename T>
METAL_FUNC T min3(T x, T y, T z) { return min(x, min(y, z)); }
template <typename T>
METAL_FUNC T median3(T x, T y, T z) { return max(min(x, y), min(max(x, y), z)); }
}  // namespace metal
