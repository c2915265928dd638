// An activation that is a template argument (good).
#include <metal_stdlib>
using namespace metal;

METAL_FUNC float relu(float x) {
  return max(x, 0.0f);
}

METAL_FUNC float silu(float x) {
  return x / (1.0f + exp(-x));
}

template <float (*activation)(float)>
METAL_FUNC void activate(device float* y, uint i, float x) {
  y[i] = activation(x);
}

[[kernel]] void activated(
    const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  if (i % 2) {
    activate<relu>(y, i, x[i]);
  } else {
    activate<silu>(y, i, x[i]);
  }
}
