// Matrices of braces, in constant memory too.
#include <metal_stdlib>

using namespace metal;

constant float3x3 none = {};
constant half3x3 colours = {
    {1.6605, -0.5876, -0.0728}, {-0.1246, 1.1329, -0.0083}, {-0.0182, -0.1006, 1.1187}};
static constant float4x4 moved{{0, 1, 0, 0}, {0, 0, 1, 0}, {-1, 0, 0, 0}, {0, 0, 0, 1}};
constant float2x2 numbers(1, 2, 3, 4);
constexpr constant float4x2 columns = float4x2(float2(1), float2(2), float2(3), float2(4));

inline float2x2 rotation(float angle) {
  return float2x2{{cos(angle), -sin(angle)}, {sin(angle), cos(angle)}};
}

inline float3x3 basis(float3 x, float3 y, float3 z) {
  return float3x3({x, y, z});
}

kernel void k(device float* out [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  const float3x3 luma = float3x3({0.299, 0.587, 0.114}, {0.596, -0.274, -0.322}, {0.212, -0.523, 0.311});
  const float4x4 mixed = float4x4(float4(2, 0, 0, 0), {0, 2, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 1});
  float2x2 pair = {{1, 2}, {3, 4}};
  pair = float2x2(float2(1), float2(2)) * pair;
  out[i] = none[0][0] + float(colours[0][0]) + moved[1].y + numbers[0].x + columns[0].x +
           rotation(out[i])[0].x + basis(1, 2, 3)[0].x + luma[0].x + mixed[3].w + pair[0].x;
}
