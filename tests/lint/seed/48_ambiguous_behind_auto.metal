#include <metal_stdlib>
using namespace metal;

[[kernel]] void k(
    const device half* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  const auto v = min(x[i], 1.0f);  // BAD
  if (v < 0.5f) y[i] = 1.0f;
}
