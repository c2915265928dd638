// Gates g = e^x stored as one float without loss of digits near 1: g - 1, which is negative, for g in (0.94,
// 1), else g. The rounding error of a constant g would be the same at every step and grow to 1 / (1 - g) of
// it in the state.
#pragma once

#include <metal_stdlib>

inline float decay_of(float x) {
  float series = metal::fma(x, 1.0f / 120.0f, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.0625f && series < 0.0f ? series : metal::precise::exp(x);
}

// decay_of for decay_carry, which also treats g = 1 as near 1: -1e-37 changes no state.
inline float decay_of_walk(float x) {
  const float decay = decay_of(x);
  return decay == 1.0f ? -1e-37f : decay;
}

// The x of g = base; multiples of x belong to powers of g. It is finite, so that 0 times it is 0.
inline float decay_rate(float base) {
  return base == 0.0f ? -1e38f : metal::precise::log(base);
}

// g as a number.
inline float decay_value(float decay) {
  return decay < 0.0f ? 1.0f + decay : decay;
}

// 1 - g^2.
inline float decay_complement(float decay) {
  return decay < 0.0f ? -decay * (2.0f + decay) : (1.0f - decay) * (1.0f + decay);
}

// g * h + b, where `added` is b or, for a decay stored as g - 1, h + b. With RESETS a gate of exactly 0
// discards h, even infinity and NaN, so that one packed sequence cannot spoil the next.
template <bool RESETS>
inline float decay_moved(float decay, float h, float added) {
  const float moved = metal::fma(decay, h, added);
  return RESETS && decay == 0.0f ? added : moved;
}

template <bool RESETS>
inline float decay_apply(float decay, float b, float h) {
  return decay_moved<RESETS>(decay, h, decay < 0.0f ? h + b : b);
}

// Rounds sum + rest to `sum`; `rest` becomes the rounding error.
inline void sum_settle(thread float& sum, thread float& rest) {
  const float total = sum + rest;
  rest -= total - sum;
  sum = total;
}

// Adds x to a sum in device memory, whose rounding error lies `rests` after it; the first x starts the sum.
template <typename Part>
inline void part_add(Part part, long rests, float x, bool is_first) {
  float sum = is_first ? 0.0f : part[0];
  float rest = x + (is_first ? 0.0f : part[rests]);
  sum_settle(sum, rest);
  part[0] = sum;
  part[rests] = rest;
}

// g * (h + rest) + b for a long walk. If the decay is g - 1, h stays and its changes add up in `rest`, so
// that a step rounds its change and not the whole state; otherwise h becomes 0.
template <bool RESETS>
inline void decay_carry(thread float& h, thread float& rest, float decay, float b) {
  const bool slow = decay < 0.0f;
  rest = decay_moved<RESETS>(decay, h + rest, slow ? rest + b : b);
  h = slow ? h : 0.0f;
}

// The state after the first `slices` slices, from h. `decay` and `b` hold one map a slice, `stride` apart.
template <bool RESETS, typename Maps>
inline float decay_fold(Maps decay, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}

// The same for h + rest, by decay_carry.
template <bool RESETS, typename Maps>
inline void decay_fold(Maps decay, Maps b, int stride, int slices, thread float& h, thread float& rest) {
  for (int s = 0; s < slices; ++s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}

// The same in reverse, from the end of the tile down to slice `first`, included.
template <bool RESETS, typename Maps>
inline void decay_fold_reverse(
    Maps decay, Maps b, int stride, int slices, int first, thread float& h, thread float& rest) {
  for (int s = slices - 1; s >= first; --s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}
