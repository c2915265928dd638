#line 1 "shaders/ssd/forward.metal"







#include <metal_stdlib>

#line 1 "shaders/common/decay.h"





#include <metal_stdlib>

inline float decay_of(float x) {
  float series = metal::fma(x, 1.0f / 120.0f, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.0625f && series < 0.0f ? series : metal::exp(x);
}


inline float decay_value(float decay) {
  return decay < 0.0f ? 1.0f + decay : decay;
}


inline float decay_complement(float decay) {
  return decay < 0.0f ? -decay * (2.0f + decay) : (1.0f - decay) * (1.0f + decay);
}



template <bool RESETS>
inline float decay_apply(float decay, float b, float h) {
  const float moved = metal::fma(decay, h, decay < 0.0f ? h + b : b);
  return RESETS && decay == 0.0f ? b : moved;
}



template <bool RESETS, typename Maps>
inline float decay_fold(Maps decay, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}


template <bool RESETS, typename Maps>
inline float decay_fold_reverse(Maps decay, Maps b, int stride, int slices, int first, float h) {
  for (int s = slices - 1; s >= first; --s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}

#line 11 "shaders/ssd/forward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_forward_8f4a3373__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_float_bool_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* B [[buffer(3)]],
  const constant int* B_shape [[buffer(4)]],
  const device float* C [[buffer(5)]],
  const device float* A [[buffer(6)]],
  const device float* initial_state [[buffer(7)]],
  const device bool* reset [[buffer(8)]],
  device float* y [[buffer(9)]],
  device float* final_state [[buffer(10)]],
  device float* tile_state [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 40 "shaders/ssd/forward.metal"

  static_assert(LANES == 32, "LANES must be a simdgroup, because the lanes share the gates of their slice");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(STEPS < LANES, "a lane makes the gate of a step, and one their product");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[2 * SLICES * LANES];
  threadgroup float slice_b[2 * SLICES * LANES];

  const int L = u_shape[1];
  const int H = u_shape[2];
  const int Dh = u_shape[3];
  const int G = B_shape[2];
  const int N = B_shape[3];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < Dh;
  const int slot = slice * LANES + lane;
  const long group = head / (H / G);
  const long state = ((batch * H + head) * Dh + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;

  int buffer = 0;
  for (long tile = 0; tile < tiles; ++tile) {
    const long saved = ((batch * tiles + tile) * H + head) * N * Dh + channel;
    const long saved_next = saved + static_cast<long>(H) * N * Dh;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + (first * G + group) * N;
    const auto C_slice = C + (first * G + group) * N;


    const bool has_step = lane < steps;
    const bool lane_forgets = HAS_RESET && has_step && reset[first + lane];
    const bool slice_forgets = HAS_RESET && simd_max(lane_forgets ? 1.0f : 0.0f) > 0.0f;
    const float lane_time = has_step ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
    const float slice_time = simd_sum(lane_time);
    const float gate_time = lane < STEPS ? lane_time : slice_time;
    const bool gate_forgets = lane < STEPS ? lane_forgets : slice_forgets;


    float time[STEPS];
    float drive[STEPS];
    float sum[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      const bool live = i < steps;
      const long at = (first + i) * H + head;
      time[i] = simd_broadcast(lane_time, static_cast<ushort>(i));
      drive[i] = live && in_range ? time[i] * static_cast<float>(u[at * Dh + channel]) : 0.0f;
      sum[i] = 0.0f;
    }

    for (int n = 0; n < N; ++n) {
      const float rate = static_cast<float>(A[A_PER_STATE ? head * N + n : head]);
      const float lane_gate = gate_forgets ? 0.0f : decay_of(gate_time * rate);
      float gate[STEPS];
      float value[STEPS];
      float local = 0.0f;

#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const bool live = i < steps;
        gate[i] = simd_broadcast(lane_gate, static_cast<ushort>(i));
        value[i] = live ? drive[i] * static_cast<float>(B_slice[i * G * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }


      buffer = SLICES * LANES - buffer;
      slice_a[buffer + slot] = simd_broadcast(lane_gate, STEPS);
      slice_b[buffer + slot] = local;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = saved + static_cast<long>(n) * Dh;
      float h = 0.0f;
      if (in_range && tile > 0) {
        h = tile_state[at];
      } else if (in_range) {
        h = HAS_INITIAL_STATE ? initial_state[state + n] : 0.0f;
        if (slice == 0) {
          tile_state[at] = h;
        }
      }
      h = decay_fold<HAS_RESET>(slice_a + buffer + lane, slice_b + buffer + lane, LANES, slice, h);
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        sum[i] = i < steps ? fma(static_cast<float>(C_slice[i * G * N + n]), h, sum[i]) : 0.0f;
      }
      if (in_range && slice == SLICES - 1) {
        if (tile + 1 < tiles) {
          tile_state[saved_next + static_cast<long>(n) * Dh] = h;
        } else {
          final_state[state + n] = h;
        }
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        y[((first + i) * H + head) * Dh + channel] = static_cast<U>(sum[i]);
      }
    }
  }

}

template [[host_name("custom_kernel_ssd_forward_8f4a3373__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_float_bool_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_forward_8f4a3373__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_float_bool_float_float_float<float, float, float, float, float, 32, 16, 8, 1, 1, 1>) custom_kernel_ssd_forward_8f4a3373__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_float_bool_float_float_float<float, float, float, float, float, 32, 16, 8, 1, 1, 1>;
