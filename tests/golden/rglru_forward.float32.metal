#line 1 "shaders/rglru/forward.metal"







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

#line 11 "shaders/rglru/forward.metal"

using namespace metal;

template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_forward_b4d0e964__float_float_32_16_8_1_1_float_float_float_bool_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* b [[buffer(2)]],
  const device float* initial_state [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  device float* y [[buffer(5)]],
  device float* final_state [[buffer(6)]],
  device float* tile_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 25 "shaders/rglru/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];

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

  float carry = HAS_INITIAL_STATE && in_range ? initial_state[state] : 0.0f;
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry;
    }


    float gate[STEPS];
    float value[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      gate[i] = live ? static_cast<float>(a[(first + i) * D + channel]) : 1.0f;
      value[i] = live ? static_cast<float>(b[(first + i) * D + channel]) : 0.0f;
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
    slice_a[slot] = product;
    slice_b[slot] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = affine_fold<HAS_RESET>(slice_a + lane, slice_b + lane, LANES, slice, carry);
    carry = affine_fold<HAS_RESET>(slice_a + lane, slice_b + lane, LANES, SLICES, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (int i = 0; i < STEPS; ++i) {
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      if (in_range && i < steps) {
        y[(first + i) * D + channel] = static_cast<T>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry;
  }

}

template [[host_name("custom_kernel_rglru_forward_b4d0e964__float_float_32_16_8_1_1_float_float_float_bool_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_forward_b4d0e964__float_float_32_16_8_1_1_float_float_float_bool_float_float_float<float, float, 32, 16, 8, 1, 1>) custom_kernel_rglru_forward_b4d0e964__float_float_32_16_8_1_1_float_float_float_bool_float_float_float<float, float, 32, 16, 8, 1, 1>;
