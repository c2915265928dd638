// The STATES states of a thread, of which the first `count` are there, in device memory `stride` apart.
#pragma once

#include <metal_stdlib>

#include "../common/decay.h"

template <int STATES, typename Source>
inline void states_load(thread float (&states)[STATES], Source source, int stride, int count) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    states[k] = k < count ? source[k * stride] : 0.0f;
  }
}

template <int STATES, typename Destination>
inline void states_store(thread float (&states)[STATES], Destination destination, int stride, int count) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    if (k < count) {
      destination[k * stride] = states[k];
    }
  }
}

// The gate of a lane's step and state, e^x or 0, for decay_rest: slow[k] says whether state k has all gates
// of the steps near 1.
template <int STATES, int STEPS>
inline float states_gate(float x, bool forgets, thread bool (&slow)[STATES]) {
  const float gate = forgets ? 0.0f : decay_of(x);
  float fast = gate < 0.0f ? 0.0f : 1.0f;
#pragma unroll
  for (int offset = 1; offset < STEPS; offset *= 2) {
    fast = metal::max(fast, metal::simd_shuffle_xor(fast, static_cast<ushort>(offset)));
  }
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    slow[k] = metal::simd_broadcast(fast, static_cast<ushort>(k * STEPS)) == 0.0f;
  }
  return fast == 0.0f ? gate : decay_value(gate);
}

// Before the steps all of a state that is not slow goes to its rest, after them it comes back.
template <int STATES>
inline void states_begin(
    thread float (&states)[STATES], thread float (&rests)[STATES], thread bool (&slow)[STATES]) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    rests[k] = slow[k] ? rests[k] : states[k];
    states[k] = slow[k] ? states[k] : 0.0f;
  }
}

template <int STATES>
inline void states_end(thread float (&states)[STATES], thread float (&rests)[STATES]) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    sum_settle(states[k], rests[k]);
  }
}
