// The STATES states of a thread, of which the first `count` are there, in device memory `stride` apart.
#pragma once

#include <metal_stdlib>

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
