// What both passes of selective_scan share: loads of B and C, gates, and sums over lanes.
#pragma once

#include <metal_stdlib>

#include "../common/simd_sums.h"

// source[at], or 0 where it is not `live`. The load is unconditional, because CPUs take a branch a lane
// otherwise.
template <typename Source>
inline float scan_load(Source source, long at, bool live) {
  const float value = static_cast<float>(source[live ? at : 0]);
  return live ? value : 0.0f;
}

// Of a tile's steps, which are `stride` numbers apart, every `apart`-th from `first` on, of those `steps`
// that are there.
struct scan_place {
  long stride;
  int apart;
  int first;
  int steps;
};

// Own numbers as they come.
template <int COUNT, typename T>
struct scan_rows {
  T at[COUNT];
};

// A channel's own steps from `source`, the tile's first; 0 stands for a step that is not there. The loads are
// unconditional, as in scan_load.
template <int COUNT, typename T, typename Source>
inline void scan_fetch(thread scan_rows<COUNT, T>& rows, Source source, scan_place place) {
#pragma clang loop unroll(full)
  for (int j = 0; j < COUNT; ++j) {
    const int t = j * place.apart + place.first;
    const bool live = t < place.steps;
    const T value = static_cast<T>(source[live ? t * place.stride : 0]);
    rows.at[j] = live ? value : static_cast<T>(0.0f);
  }
}

// What a channel is given for its own steps.
template <int COUNT, typename Delta, typename U, typename Z>
struct scan_given {
  scan_rows<COUNT, Delta> delta;
  scan_rows<COUNT, U> u;
  scan_rows<COUNT, Z> z;
};

template <bool HAS_Z, typename Given, typename Delta, typename U, typename Z>
inline void scan_fetch_given(thread Given& given, Delta delta, U u, Z z, scan_place place) {
  scan_fetch(given.delta, delta, place);
  scan_fetch(given.u, u, place);
  if (HAS_Z) {
    scan_fetch(given.z, z, place);
  }
}

// Of a step's row of N numbers those from n on that are there, 0 for others and for a step that is not
// `live`.
template <int COUNT, typename T, typename Source>
inline void scan_fetch_row(
    thread scan_rows<COUNT, T>& row, Source source, long step, int N, int n, bool live) {
  const int held = live ? N - n : 0;
#pragma clang loop unroll(full)
  for (int k = 0; k < COUNT; ++k) {
    const T value = static_cast<T>(source[k < held ? step * N + n + k : 0]);
    row.at[k] = k < held ? value : static_cast<T>(0.0f);
  }
}

// Every APART-th of the numbers of a tile's steps, from `first` on, where a step has SLOTS, of which N are
// there, in `steps` steps; 0 for others.
template <int SLOTS, int APART, int COUNT, typename T, typename Source>
inline void scan_fetch_slots(thread scan_rows<COUNT, T>& own, Source source, int N, int steps, int first) {
#pragma clang loop unroll(full)
  for (int j = 0; j < COUNT; ++j) {
    const int t = (j * APART + first) / SLOTS;
    const int n = (j * APART + first) % SLOTS;
    const bool live = t < steps && n < N;
    const T value = static_cast<T>(source[live ? t * N + n : 0]);
    own.at[j] = live ? value : static_cast<T>(0.0f);
  }
}

// e^(time * rate), or 0, of a rate times log2(e).
inline float scan_gate(float time, float rate_log2, bool forgets) {
  return forgets ? 0.0f : metal::precise::exp2(time * rate_log2);
}

// The gate, not in the form of decay.h, times h plus b. With RESETS a gate of exactly 0 forgets h whatever it
// holds.
template <bool RESETS>
inline float scan_apply(float gate, float b, float h) {
  const float moved = metal::fma(gate, h, b);
  return RESETS && gate == 0.0f ? b : moved;
}

// The sum of sums[i] over lanes, where MASK and the bits below differ: i is what a lane has in MASK and as
// many bits below as i has; lanes that differ in the others get the same.
template <int STEPS, int MASK>
inline float scan_sums(thread float (&sums)[STEPS], int lane) {
  float sum = simd_sums<STEPS, MASK>(sums, lane);
#pragma clang loop unroll(full)
  for (int offset = MASK / STEPS; offset > 0; offset /= 2) {
    sum += metal::simd_shuffle_xor(sum, static_cast<ushort>(offset));
  }
  return sum;
}
