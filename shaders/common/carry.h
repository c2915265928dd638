// States carried over time in two floats. Under a slow decay the rounding errors of 1 / (1 - decay) chunks
// add up: one float for the state, or for the decay, would not be precise enough.
#pragma once

#include <metal_stdlib>

// The decay of a state over a chunk, base + change; base is 1 if the decay is near 1, else 0.
struct carry_decay {
  float base;
  float change;
};

// Made of the `whole` decay and of `less`, the decay less 1; `less` may be imprecise if gates are far from 1,
// and is not used then.
METAL_FUNC void carry_decay_from(thread carry_decay& decay, float whole, float less) {
  const bool slow = whole > 0.5f && metal::abs(less - (whole - 1.0f)) < 5e-6f;
  decay.base = slow ? 1.0f : 0.0f;
  decay.change = slow ? less : whole;
}

// state = base * state, and `rest` gets the change, to be added later.
template <typename Factor>
METAL_FUNC void carry_fade(
    thread metal::simdgroup_float8x8& state,
    thread metal::simdgroup_float8x8& rest,
    Factor base,
    Factor change) {
  rest.thread_elements() = base * rest.thread_elements() + change * state.thread_elements();
  state.thread_elements() = base * state.thread_elements();
}

// state += rest, and rest becomes the rounding error.
METAL_FUNC void carry_settle(
    thread metal::simdgroup_float8x8& state, thread metal::simdgroup_float8x8& rest) {
  const metal::float2 before = state.thread_elements();
  state.thread_elements() = before + rest.thread_elements();
  rest.thread_elements() = rest.thread_elements() - (state.thread_elements() - before);
}
