// Simdgroup functions for code that all lanes run. Metal's functions also work if some lanes are inactive; an
// engine may have cheaper ones that do not check.
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
