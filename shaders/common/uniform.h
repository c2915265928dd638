// Functions of a simdgroup in code that all its lanes run. Metal's own work where some lanes do not, and an
// engine may have cheaper ones that need not ask which.
#pragma once

#include <metal_stdlib>

// The sum of x over the lanes.
METAL_FUNC float uniform_sum(float x) {
#ifdef __HAVE_SIMD_UNIFORM__
  return metal::simd_sum_uniform(x);
#else
  return metal::simd_sum(x);
#endif
}

// x of one lane.
METAL_FUNC float uniform_broadcast(float x, int lane) {
#ifdef __HAVE_SIMD_UNIFORM__
  return metal::simd_broadcast_uniform(x, static_cast<ushort>(lane));
#else
  return metal::simd_broadcast(x, static_cast<ushort>(lane));
#endif
}

// Whether all lanes say so.
METAL_FUNC bool uniform_all(bool condition) {
#ifdef __HAVE_SIMD_UNIFORM__
  return metal::simd_all_uniform(condition);
#else
  return metal::simd_all(condition);
#endif
}
