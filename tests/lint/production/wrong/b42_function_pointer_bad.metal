// An activation that is chosen by a pointer to a function (bad).
#include <metal_stdlib>
using namespace metal;

METAL_FUNC float relu(float x) {
  return max(x, 0.0f);
}

METAL_FUNC float silu(float x) {
  return x / (1.0f + exp(-x));
}

METAL_FUNC void activate(device float* y, uint i, float x, float (*activation)(float)) {
  y[i] = activation(x);
}

[[kernel]] void activated(
    const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  activate(y, i, x[i], i % 2 ? relu : silu);
}
