#line 1 "shaders/rglru/backward.metal"






#include <metal_stdlib>

#line 1 "shaders/common/affine.h"



#include <metal_stdlib>



template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}



template <bool RESETS, typename Maps>
inline float affine_fold(Maps a, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}


template <bool RESETS, typename Maps>
inline float affine_fold_reverse(Maps a, Maps b, int stride, int slices, int first, float h) {
  for (int s = slices - 1; s >= first; --s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}

#line 10 "shaders/rglru/backward.metal"

using namespace metal;

template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_backward_5f2f5141__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* b [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  const device float* tile_state [[buffer(4)]],
  const device float* grad_y [[buffer(5)]],
  const device float* grad_final_state [[buffer(6)]],
  device float* grad_a [[buffer(7)]],
  device float* grad_b [[buffer(8)]],
  device float* grad_initial_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 26 "shaders/rglru/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_g[SLICES * LANES];

  const int L = a_shape[1];
  const int D = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;


  float carry = in_range ? grad_final_state[state] : 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float gate[STEPS];
    float value[STEPS];
    float grad[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      gate[i] = live ? static_cast<float>(a[(first + i) * D + channel]) : 1.0f;
      value[i] = live ? static_cast<float>(b[(first + i) * D + channel]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[(first + i) * D + channel]) : 0.0f;
      if (HAS_RESET && live && reset[first + i]) {
        gate[i] = 0.0f;
      }
    }

    float product = 1.0f;
    float sum = 0.0f;
    for (int i = 0; i < STEPS; ++i) {
      product = affine_apply<HAS_RESET>(gate[i], 0.0f, product);
      sum = affine_apply<HAS_RESET>(gate[i], value[i], sum);
    }
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      adjoint = affine_apply<HAS_RESET>(gate[i], 0.0f, grad[i] + adjoint);
    }
    slice_a[slot] = product;
    slice_b[slot] = sum;
    slice_g[slot] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const float entry = in_range ? tile_state[(batch * tiles + tile) * D + channel] : 0.0f;
    float h = affine_fold<HAS_RESET>(slice_a + lane, slice_b + lane, LANES, slice, entry);
    float from_right =
        affine_fold_reverse<HAS_RESET>(slice_a + lane, slice_g + lane, LANES, SLICES, slice + 1, carry);
    carry = affine_fold_reverse<HAS_RESET>(slice_a + lane, slice_g + lane, LANES, SLICES, 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);


    for (int i = 0; i < STEPS; ++i) {
      const float previous = h;
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      value[i] = previous;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const bool forgets = HAS_RESET && reset[first + i];
        grad_b[(first + i) * D + channel] = static_cast<T>(g);
        grad_a[(first + i) * D + channel] = static_cast<A>(forgets ? 0.0f : g * value[i]);
      }
      from_right = affine_apply<HAS_RESET>(gate[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry;
  }

}

template [[host_name("custom_kernel_rglru_backward_5f2f5141__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_backward_5f2f5141__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>) custom_kernel_rglru_backward_5f2f5141__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>;
