// Vectors of bool have swizzles too.
#include <metal_stdlib>

using namespace metal;

kernel void k(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  bool4 m = float4(y[i]) > 0.5f;
  const bool2 pair = m.zx;
  m.xy = pair.yx;
  const bool3 turned = (float3(y[i]) < 1.0f).zyx;
  y[i] = any(m.xyz) && all(turned.xy) ? 1.0f : 0.0f;
}
