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
  return x > -0.0625f && series < 0.0f ? series : metal::precise::exp(x);
}

// decay_of for decay_carry, which takes g = 1 for near 1 as well: the -1e-37 adds nothing to a state.
inline float decay_of_walk(float x) {
  const float decay = decay_of(x);
  return decay == 1.0f ? -1e-37f : decay;
}

// The x of g = base, whose multiples are those of powers of g: finite, because 0 times it is 0.
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

// g * h + b, where `added` is b or, of a decay that is g - 1, h + b. With RESETS a gate of exactly 0 forgets
// h whatever it holds, infinity and NaN included, so one packed sequence cannot spoil the next.
template <bool RESETS>
inline float decay_moved(float decay, float h, float added) {
  const float moved = metal::fma(decay, h, added);
  return RESETS && decay == 0.0f ? added : moved;
}

template <bool RESETS>
inline float decay_apply(float decay, float b, float h) {
  return decay_moved<RESETS>(decay, h, decay < 0.0f ? h + b : b);
}

// sum + rest stays what it is, and `sum` gets every digit of it that one float can hold.
inline void sum_settle(thread float& sum, thread float& rest) {
  const float total = sum + rest;
  rest -= total - sum;
  sum = total;
}

// Adds x to a sum in device memory, whose rest lies `rests` behind it; the first x starts it.
template <typename Part>
inline void part_add(Part part, long rests, float x, bool is_first) {
  float sum = is_first ? 0.0f : part[0];
  float rest = x + (is_first ? 0.0f : part[rests]);
  sum_settle(sum, rest);
  part[0] = sum;
  part[rests] = rest;
}

// g * (h + rest) + b for a long walk. Where the decay is g - 1, h stays as it is and its change adds up in
// the rest, so that a step rounds what it adds, not what the state holds; elsewhere h becomes 0.
template <bool RESETS>
inline void decay_carry(thread float& h, thread float& rest, float decay, float b) {
  const bool slow = decay < 0.0f;
  rest = decay_moved<RESETS>(decay, h + rest, slow ? rest + b : b);
  h = slow ? h : 0.0f;
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

// The same of h + rest, by decay_carry.
template <bool RESETS, typename Maps>
inline void decay_fold(Maps decay, Maps b, int stride, int slices, thread float& h, thread float& rest) {
  for (int s = 0; s < slices; ++s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}

// That from the end of the tile backwards, down to and including slice `first`.
template <bool RESETS, typename Maps>
inline void decay_fold_reverse(
    Maps decay, Maps b, int stride, int slices, int first, thread float& h, thread float& rest) {
  for (int s = slices - 1; s >= first; --s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}
