// ssd with one A a head, states between legs of LEG spans: S[n+1] = exp(decay[n]) S[n] + added[n], with S[0]
// = initial_state or 0, or REVERSE, from the last leg to the first, their adjoints G[n-1] = exp(decay[n])
// G[n] + added[n], with G = grad_final_state at the end. A leg's `added` and decay are those of its last span
// (REVERSE: its first). What enters a leg (REVERSE: what leaves it) is stored as blocks of 8 x 8 numbers, as
// span_state is. initial_state and final_state are [B, H, V, R]. Dao and Gu 2024, arXiv:2405.21060,
// section 6.
//
// A thread owns one number of the state.
#include <metal_stdlib>

#include "../common/decay.h"

using namespace metal;

template <int R, int V, int H, int LEG, bool REVERSE, bool HAS_INITIAL_STATE>
[[kernel]] void ssd_carry_states(
    const device float* span_state,     // [B, H, SPANS, KEYS, VALUES, 8, 8]
    const device float* decay,          // [B, H, SPANS]
    const device float* initial_state,  // [B, H, Dh, N]
    device float* leg_state,            // [B, H, LEGS, KEYS, VALUES, 8, 8]
    device float* final_state,          // [B, H, Dh, N]
    const constant int* decay_shape,
    uint3 thread_position_in_grid [[thread_position_in_grid]]) {
  constexpr int VALUE_BLOCKS = (V + 7) / 8;
  constexpr int SIZE = (R + 7) / 8 * VALUE_BLOCKS * 64;
  const int at = thread_position_in_grid.x;
  const int head = thread_position_in_grid.y;
  const long batch = thread_position_in_grid.z;
  const int spans = decay_shape[2];
  const int legs = (spans + LEG - 1) / LEG;
  const int block = at / 64;
  const int key = block / VALUE_BLOCKS * 8 + at % 8;
  const int value = block % VALUE_BLOCKS * 8 + at % 64 / 8;
  const long state = batch * H + head;
  const long outside = (state * V + value) * R + key;
  const bool live = key < R && value < V;
  if (at < SIZE) {
    float h = live && (HAS_INITIAL_STATE || REVERSE) ? initial_state[outside] : 0.0f;
    float rest = 0.0f;
    for (int n = 0; n < legs; ++n) {
      const int leg = REVERSE ? legs - 1 - n : n;
      const long span = state * spans + (REVERSE ? leg * LEG : min((leg + 1) * LEG, spans) - 1);
      leg_state[(state * legs + leg) * SIZE + at] = h + rest;
      decay_carry<true>(h, rest, decay_of_walk(decay[span]), span_state[span * SIZE + at]);
      sum_settle(h, rest);
    }
    if (live && (HAS_INITIAL_STATE || !REVERSE)) {
      final_state[outside] = h + rest;
    }
  }
}
