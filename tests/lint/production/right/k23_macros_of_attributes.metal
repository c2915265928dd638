// Attributes that macros hold, in part and whole, and constants whose type is const already.
#include <metal_stdlib>

using namespace metal;

#define CONSTANT_AT(n) [[function_constant(n)]]
#define FUNCTION_CONSTANT(T, NAME, N) constant T NAME [[function_constant(N)]]
#define SLOT(n) buffer(n)
#define POSITION thread_position_in_grid

constant bool has_mask CONSTANT_AT(0);
FUNCTION_CONSTANT(bool, is_causal, 1);

template <typename T, T V>
struct fixed {
  static constexpr constant T value = V;
};

kernel void masked(device float* y [[SLOT(0)]], const device float* mask [[SLOT(1)]], uint i [[POSITION]]) {
  constexpr auto half_of = 4 / 2;
  if (has_mask && is_causal) {
    y[i] += mask[i] * fixed<decltype(half_of), half_of>::value;
  }
}
