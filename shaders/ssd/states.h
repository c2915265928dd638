// What ssd's walks do with the states of a thread.
#pragma once

#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/states.h"

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
