// States carried over all of time in two floats. A slow decay keeps the errors of 1 / (1 - decay) chunks: one
// float, rounded in every chunk, and a decay rounded to one float would tell.
#pragma once

#include <metal_stdlib>

// What a chunk leaves of a state, base + change, where base is 1 if that is near 1 and 0 else.
struct carry_decay {
  float base;
  float change;
};

// From the `whole` decay and from `less`, the same less 1, which gates far from 1 may have spoilt: then it is
// not used.
METAL_FUNC void carry_decay_from(thread carry_decay& decay, float whole, float less) {
  const bool slow = whole > 0.5f && metal::abs(less - (whole - 1.0f)) < 5e-6f;
  decay.base = slow ? 1.0f : 0.0f;
  decay.change = slow ? less : whole;
}

// state = base * state; its change is left to `rest`, as what is yet to be added.
template <typename Factor>
METAL_FUNC void carry_fade(
    thread metal::simdgroup_float8x8& state,
    thread metal::simdgroup_float8x8& rest,
    Factor base,
    Factor change) {
  rest.thread_elements() = base * rest.thread_elements() + change * state.thread_elements();
  state.thread_elements() = base * state.thread_elements();
}

// state += rest, and rest becomes what rounding keeps from the state.
METAL_FUNC void carry_settle(
    thread metal::simdgroup_float8x8& state, thread metal::simdgroup_float8x8& rest) {
  const metal::float2 before = state.thread_elements();
  state.thread_elements() = before + rest.thread_elements();
  rest.thread_elements() = rest.thread_elements() - (state.thread_elements() - before);
}
