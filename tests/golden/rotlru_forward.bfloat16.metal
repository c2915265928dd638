#line 1 "shaders/rotlru/forward.metal"






#include <metal_stdlib>

#line 1 "shaders/common/rotation.h"




#include <metal_stdlib>



template <bool RESETS>
inline metal::float2 rotation_apply(metal::float2 z, metal::float2 b, metal::float2 h) {
  const float u = metal::fma(z.x, h.x, metal::fma(-z.y, h.y, b.x));
  const float w = metal::fma(z.x, h.y, metal::fma(z.y, h.x, b.y));
  const bool forgets = RESETS && z.x == 0.0f && z.y == 0.0f;
  return metal::float2(forgets ? b.x : u, forgets ? b.y : w);
}


template <bool RESETS>
inline metal::float2 rotation_apply_transposed(metal::float2 z, metal::float2 b, metal::float2 h) {
  return rotation_apply<RESETS>(metal::float2(z.x, -z.y), b, h);
}



template <bool RESETS, typename Maps>
inline metal::float2 rotation_fold(Maps maps, int plane, int stride, int first, int last, metal::float2 h) {
  for (int s = first; s < last; ++s) {
    const int at = s * stride;
    const auto z = metal::float2(maps[at], maps[at + plane]);
    const auto b = metal::float2(maps[at + 2 * plane], maps[at + 3 * plane]);
    h = rotation_apply<RESETS>(z, b, h);
  }
  return h;
}


template <bool RESETS, typename Maps>
inline metal::float2 rotation_fold_reverse(
    Maps maps, int plane, int stride, int first, int last, metal::float2 h) {
  for (int s = last - 1; s >= first; --s) {
    const int at = s * stride;
    const auto z = metal::float2(maps[at], maps[at + plane]);
    const auto b = metal::float2(maps[at + 4 * plane], maps[at + 5 * plane]);
    h = rotation_apply_transposed<RESETS>(z, b, h);
  }
  return h;
}

#line 10 "shaders/rotlru/forward.metal"

using namespace metal;

template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_forward_d5ace8b8__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* cos [[buffer(2)]],
  const device bfloat16_t* sin [[buffer(3)]],
  const device bfloat16_t* b [[buffer(4)]],
  const device float* initial_state [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  device bfloat16_t* y [[buffer(7)]],
  device float* final_state [[buffer(8)]],
  device float* tile_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 35 "shaders/rotlru/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[4 * PLANE];

  const int L = a_shape[1];
  const int pairs = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int pair = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = pair < pairs;
  const int slot = slice * LANES + lane;
  const long state = 2 * (static_cast<long>(batch) * pairs + pair);
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;

  float2 carry = float2(0.0f, 0.0f);
  if (HAS_INITIAL_STATE && in_range) {
    carry = float2(initial_state[state], initial_state[state + 1]);
  }
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      const long saved = 2 * ((batch * tiles + tile) * pairs + pair);
      tile_state[saved] = carry.x;
      tile_state[saved + 1] = carry.y;
    }


    float gate_re[STEPS];
    float gate_im[STEPS];
    float value_u[STEPS];
    float value_w[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const long origin = first * pairs + pair - lane;
    const auto a_tile = a + origin;
    const auto cos_tile = cos + origin;
    const auto sin_tile = sin + origin;
    const auto b_tile = b + 2 * origin;
    const auto y_tile = y + 2 * origin;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const int at = i * pairs + lane;
      const bool forgets = HAS_RESET && live && reset[first + i];
      gate_re[i] =
          live ? forgets ? 0.0f : static_cast<float>(a_tile[at]) * static_cast<float>(cos_tile[at]) : 1.0f;
      gate_im[i] =
          live && !forgets ? static_cast<float>(a_tile[at]) * static_cast<float>(sin_tile[at]) : 0.0f;
      value_u[i] = live ? static_cast<float>(b_tile[2 * at]) : 0.0f;
      value_w[i] = live ? static_cast<float>(b_tile[2 * at + 1]) : 0.0f;
    }

    float2 product = float2(1.0f, 0.0f);
    float2 sum = float2(0.0f, 0.0f);
    for (int i = 0; i < STEPS; ++i) {
      const float2 gate = float2(gate_re[i], gate_im[i]);
      product = rotation_apply<HAS_RESET>(gate, float2(0.0f, 0.0f), product);
      sum = rotation_apply<HAS_RESET>(gate, float2(value_u[i], value_w[i]), sum);
    }
    maps[slot] = product.x;
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = sum.x;
    maps[slot + 3 * PLANE] = sum.y;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float2 h = rotation_fold<HAS_RESET>(maps + lane, PLANE, LANES, 0, slice, carry);
    carry = rotation_fold<HAS_RESET>(maps + lane, PLANE, LANES, slice, SLICES, h);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (int i = 0; i < STEPS; ++i) {
      h = rotation_apply<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(value_u[i], value_w[i]), h);
      if (in_range && i < steps) {
        const int at = 2 * (i * pairs + lane);
        const float u = h.x;
        const float w = h.y;
        y_tile[at] = static_cast<T>(u);
        y_tile[at + 1] = static_cast<T>(w);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
    final_state[state + 1] = carry.y;
  }

}

template [[host_name("custom_kernel_rotlru_forward_d5ace8b8__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_rotlru_forward_d5ace8b8__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>) custom_kernel_rotlru_forward_d5ace8b8__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>;
