// Sums over the lanes of a simdgroup of several values at once: with each exchange a lane gives away half of
// its values and keeps the other half, so 32 values take 31 exchanges instead of 160.
#pragma once

#include <metal_stdlib>

// The sum of values[i] over the lanes that differ in the bits MASK, MASK / 2, ..., as many as i has; i is
// what a lane has in these bits. What is in `values` is used up.
template <int COUNT, int MASK>
inline float simd_sums(thread float (&values)[COUNT], int lane) {
#pragma clang loop unroll(full)
  for (int level = 1; level < COUNT; level *= 2) {
    const int rest = COUNT / 2 / level;
    const bool upper = (lane & MASK / level) != 0;
#pragma clang loop unroll(full)
    for (int i = 0; i < COUNT / 2; ++i) {
      if (i < rest) {
        const float given = upper ? values[i] : values[i + rest];
        const float kept = upper ? values[i + rest] : values[i];
        values[i] = kept + metal::simd_shuffle_xor(given, static_cast<ushort>(MASK / level));
      }
    }
  }
  return values[0];
}
