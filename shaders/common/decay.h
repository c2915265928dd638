// Gates g = e^x kept as one float that loses none of their digits near 1: g - 1 where g is in (0.94, 1),
// which is negative, else g itself. A constant g, rounded once, would err alike at every step, and by 1 / (1
// - g) of that in the state.
#pragma once

#include <metal_stdlib>

inline float decay_of(float x) {
  float series = metal::fma(x, 1.0f / 120.0f, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.0625f && series < 0.0f ? series : metal::exp(x);
}

// g as a number.
inline float decay_value(float decay) {
  return decay < 0.0f ? 1.0f + decay : decay;
}

// 1 - g^2.
inline float decay_complement(float decay) {
  return decay < 0.0f ? -decay * (2.0f + decay) : (1.0f - decay) * (1.0f + decay);
}

// g * h + b. With RESETS a gate of exactly 0 forgets h whatever it holds, infinity and NaN included, so one
// packed sequence cannot spoil the next.
template <bool RESETS>
inline float decay_apply(float decay, float b, float h) {
  const float moved = metal::fma(decay, h, decay < 0.0f ? h + b : b);
  return RESETS && decay == 0.0f ? b : moved;
}

// The state `h` sent through the maps of the slices before `slices`, oldest first. `decay` and `b` hold one
// map a slice, `stride` apart.
template <bool RESETS, typename Maps>
inline float decay_fold(Maps decay, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}

// The same from the end of the tile backwards, down to and including slice `first`.
template <bool RESETS, typename Maps>
inline float decay_fold_reverse(Maps decay, Maps b, int stride, int slices, int first, float h) {
  for (int s = slices - 1; s >= first; --s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}
