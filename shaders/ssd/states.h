// The STATES states of a thread, of which the first `count` are there, in device memory `stride` apart.
#pragma once

#include <metal_stdlib>

#include "../common/decay.h"

template <int STATES, typename Source>
inline void states_load(thread float (&states)[STATES], Source source, int stride, int count) {
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    states[k] = k < count ? source[k * stride] : 0.0f;
  }
}

template <int STATES, typename Destination>
inline void states_store(thread float (&states)[STATES], Destination destination, int stride, int count) {
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    if (k < count) {
      destination[k * stride] = states[k];
    }
  }
}

// The gate e^x, or 0, of a lane's step and state: g - 1 for a state all of whose gates of these steps are
// near 1, which slow[k] says of state k, else g.
template <int STATES>
inline float states_gate(float x, bool forgets, int lane_state, thread bool (&slow)[STATES]) {
  const float gate = forgets ? 0.0f : decay_of_walk(x);
  bool is_slow = false;
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    slow[k] = metal::simd_all(gate < 0.0f || lane_state != k);
    is_slow = is_slow || (slow[k] && lane_state == k);
  }
  return is_slow ? gate : decay_value(gate);
}

// A slow state keeps its value through the steps and adds up their changes in its rest; of another the rest
// is all.
template <int STATES>
inline void states_begin(
    thread float (&states)[STATES], thread float (&rests)[STATES], thread bool (&slow)[STATES]) {
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    rests[k] = slow[k] ? rests[k] : states[k];
    states[k] = slow[k] ? states[k] : 0.0f;
  }
}

template <int STATES>
inline void states_end(thread float (&states)[STATES], thread float (&rests)[STATES]) {
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    sum_settle(states[k], rests[k]);
  }
}
