// A kernel that calls a kernel, and a threadgroup array with no extent.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void twice(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  y[i] = 2.0f * x[i];
}

[[kernel]] void both(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  threadgroup float kept[];
  kept[0] = x[i];
  twice(x, y, i);
}
