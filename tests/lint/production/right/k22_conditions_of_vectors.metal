// Comparisons of vectors beside vectors of bool, on either side and in place.
#include <metal_stdlib>

using namespace metal;

kernel void conditions(device float4* y, device int4* z, constant float3& w) {
  bool4 inside = y[0] < 1.0f;
  inside = y[0] > 0.0f && inside;
  inside = inside || y[0] > 2.0f;
  inside = (y[0] > 0.0f) & inside;
  inside = (y[0] > 0.0f) == inside;
  inside |= y[0] > 2.0f;
  inside &= inside.wzyx;
  inside ^= bool4(true, false, true, false);
  y[0] = float4(inside);
  z[0] = select(int4(1), int4(2), (y[0] > 0.0f) || inside);
  bool3 some = (w > 0.0f) | !(w > 1.0f);
  some &= w.x > 0.0f;
  if (any((w < 1.0f) & some)) {
    y[1].xyz = float3(some);
  }
}
