// Functions, limits and packed vectors that are rarer; a function constant with the name of a function elsewhere.
#include <TargetConditionals.h>
#include <metal_stdlib>
using namespace metal;

constant bool forward [[function_constant(0)]];
constant float scale
    [[function_constant(1)]];

struct Body {
  packed_float3 place;
  float mass;
  packed_float3 speed;
  packed_uint2 cell;
};

template <int N>
struct Table {};
template <>
struct Table<2> {
  static constexpr constant float values[2] = {1.0f, 2.0f};
};
constant constexpr const float Table<2>::values[2];

struct Best {
  float value;
  uint at;
};

[[kernel]] void rare(
    device Body* bodies [[buffer(0)]], device coherent float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
  threadgroup float shared_sum[32] = {0};
  const float3 step = float3(bodies[i].place) - bodies[i].speed;
  bodies[i].place = bodies[i].place + packed_float3(1.0f, 2.0f, 3.0f) * step;
  bodies[i].cell = bodies[i].cell % packed_uint2(7u, 7u) & packed_uint2(3u);
  const uint4 lanes = uint4(i);
  const bool4 same = lanes == i;
  const float4 kept = select(float4(y[i]), -INFINITY, same);
  const uint4 left = select(lanes, 0xffffffffu, same);
  const float3 cut = float3(kept);
  const float3 tests = static_cast<float3>(static_cast<bool3>(cut));
  float sum = quad_prefix_exclusive_product(y[i]) + quad_shuffle_and_fill_up(y[i], 0.0f, ushort(1));
  sum += unpack_unorm10a2_to_float(i).x + float(pack_float_to_unorm565(cut)) + fast::normalize(cut).x;
  sum += precise::length(cut) + float(numeric_limits<half>::digits10) + float(BFLT_MAX) + float(M_PI_2_H) + FLT_DIG;
  sum += forward ? scale : tests.x + float(left.y), sum *= 2.0f;
  Best best = {sum, i};
  for (uint k = 0; k < 4; k += 1, best.at += k) ;
  y[i] = best.value + float(best.at) + shared_sum[i % 32] + Table<2>::values[i % 2];
}

struct Painted {
  float4 color [[color(0)]];
  float4 mask [[color(0) index(1)]];
};
