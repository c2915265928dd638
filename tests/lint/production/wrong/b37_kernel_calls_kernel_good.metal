// A function that both kernels call, and a threadgroup array of a known extent.
#include <metal_stdlib>
using namespace metal;

METAL_FUNC void double_one(const device float* x, device float* y, uint i) {
  y[i] = 2.0f * x[i];
}

[[kernel]] void twice(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  double_one(x, y, i);
}

[[kernel]] void both(
    const device float* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float kept[32];
  kept[lane] = x[i];
  double_one(x, y, i);
}
