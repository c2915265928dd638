#line 1 "shaders/rotlru/backward.metal"








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

#line 12 "shaders/rotlru/backward.metal"

using namespace metal;

template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_backward_4dc7dd9b__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* cos [[buffer(2)]],
  const device bfloat16_t* sin [[buffer(3)]],
  const device bfloat16_t* b [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  const device float* tile_state [[buffer(6)]],
  const device bfloat16_t* grad_y [[buffer(7)]],
  const device float* grad_final_state [[buffer(8)]],
  device bfloat16_t* grad_a [[buffer(9)]],
  device bfloat16_t* grad_cos [[buffer(10)]],
  device bfloat16_t* grad_sin [[buffer(11)]],
  device bfloat16_t* grad_b [[buffer(12)]],
  device float* grad_initial_state [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 41 "shaders/rotlru/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[6 * PLANE];

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
  if (in_range) {
    carry = float2(grad_final_state[state], grad_final_state[state + 1]);
  }
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float gate_re[STEPS];
    float gate_im[STEPS];
    float value_u[STEPS];
    float value_w[STEPS];
    float grad_u[STEPS];
    float grad_w[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const long origin = first * pairs + pair - lane;
    const auto a_tile = a + origin;
    const auto cos_tile = cos + origin;
    const auto sin_tile = sin + origin;
    const auto b_tile = b + 2 * origin;
    const auto grad_y_tile = grad_y + 2 * origin;
    const auto grad_a_tile = grad_a + origin;
    const auto grad_cos_tile = grad_cos + origin;
    const auto grad_sin_tile = grad_sin + origin;
    const auto grad_b_tile = grad_b + 2 * origin;
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
      grad_u[i] = live ? static_cast<float>(grad_y_tile[2 * at]) : 0.0f;
      grad_w[i] = live ? static_cast<float>(grad_y_tile[2 * at + 1]) : 0.0f;
    }

    float2 product = float2(1.0f, 0.0f);
    float2 sum = float2(0.0f, 0.0f);
    for (int i = 0; i < STEPS; ++i) {
      const float2 gate = float2(gate_re[i], gate_im[i]);
      product = rotation_apply<HAS_RESET>(gate, float2(0.0f, 0.0f), product);
      sum = rotation_apply<HAS_RESET>(gate, float2(value_u[i], value_w[i]), sum);
    }
    float2 adjoint = float2(0.0f, 0.0f);
    for (int i = STEPS - 1; i >= 0; --i) {
      const float2 gate = float2(gate_re[i], gate_im[i]);
      const float2 g = float2(grad_u[i], grad_w[i]) + adjoint;
      adjoint = rotation_apply_transposed<HAS_RESET>(gate, float2(0.0f, 0.0f), g);
    }
    maps[slot] = product.x;
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = sum.x;
    maps[slot + 3 * PLANE] = sum.y;
    maps[slot + 4 * PLANE] = adjoint.x;
    maps[slot + 5 * PLANE] = adjoint.y;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float2 h = float2(0.0f, 0.0f);
    if (in_range) {
      const long saved = 2 * ((batch * tiles + tile) * pairs + pair);
      h = float2(tile_state[saved], tile_state[saved + 1]);
    }
    h = rotation_fold<HAS_RESET>(maps + lane, PLANE, LANES, 0, slice, h);
    float2 from_right = rotation_fold_reverse<HAS_RESET>(maps + lane, PLANE, LANES, slice + 1, SLICES, carry);
    carry = rotation_fold_reverse<HAS_RESET>(maps + lane, PLANE, LANES, 0, slice + 1, from_right);
    threadgroup_barrier(mem_flags::mem_threadgroup);


    for (int i = 0; i < STEPS; ++i) {
      const float2 previous = h;
      h = rotation_apply<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(value_u[i], value_w[i]), h);
      value_u[i] = previous.x;
      value_w[i] = previous.y;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float2 g = float2(grad_u[i], grad_w[i]) + from_right;
      const float u = g.x;
      const float w = g.y;
      if (in_range && i < steps) {
        const int at = i * pairs + lane;
        const bool forgets = HAS_RESET && reset[first + i];
        const float size = static_cast<float>(a_tile[at]);
        const float along = forgets ? 0.0f : fma(u, value_u[i], w * value_w[i]);
        const float across = forgets ? 0.0f : fma(w, value_u[i], -u * value_w[i]);
        grad_b_tile[2 * at] = static_cast<T>(u);
        grad_b_tile[2 * at + 1] = static_cast<T>(w);
        grad_a_tile[at] = static_cast<A>(
            fma(static_cast<float>(cos_tile[at]), along, static_cast<float>(sin_tile[at]) * across));
        grad_cos_tile[at] = static_cast<C>(size * along);
        grad_sin_tile[at] = static_cast<S>(size * across);
      }
      from_right =
          rotation_apply_transposed<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(0.0f, 0.0f), g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry.x;
    grad_initial_state[state + 1] = carry.y;
  }

}

template [[host_name("custom_kernel_rotlru_backward_4dc7dd9b__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float")]] [[kernel]] decltype(custom_kernel_rotlru_backward_4dc7dd9b__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>) custom_kernel_rotlru_backward_4dc7dd9b__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>;
