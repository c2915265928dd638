// A pointer to a visible function, and a table of such functions behind it.
#include <metal_stdlib>
using namespace metal;

[[visible]] float relu(float x) {
  return max(x, 0.0f);
}

[[kernel]] void activated(
    const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  float (*activation)(float) = relu;
  y[i] = activation(x[i]);
}
