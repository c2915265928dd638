#line 1 "shaders/ssd/backward.metal"







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

#line 11 "shaders/ssd/backward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_backward_d0db290d__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* B [[buffer(3)]],
  const constant int* B_shape [[buffer(4)]],
  const device float* C [[buffer(5)]],
  const device float* A [[buffer(6)]],
  const device bool* reset [[buffer(7)]],
  const device float* tile_state [[buffer(8)]],
  const device float* grad_y [[buffer(9)]],
  const device float* grad_final_state [[buffer(10)]],
  device float* grad_u [[buffer(11)]],
  device float* grad_initial_state [[buffer(12)]],
  device float* delta_parts [[buffer(13)]],
  device float* B_parts [[buffer(14)]],
  device float* C_parts [[buffer(15)]],
  device float* A_parts [[buffer(16)]],
  device float* carry [[buffer(17)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
  uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {

#line 47 "shaders/ssd/backward.metal"

  static_assert(LANES == 32, "LANES must be a simdgroup, because sums over channels are simd sums");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(STEPS < LANES, "a lane makes the gate of a step, and one their product");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_r[SLICES * LANES];
  threadgroup float slice_rate[SLICES * LANES];

  const int L = u_shape[1];
  const int H = u_shape[2];
  const int Dh = u_shape[3];
  const int G = B_shape[2];
  const int N = B_shape[3];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long block = threadgroup_position_in_grid.x;
  const long blocks = threadgroups_per_grid.x;
  const long head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const long batches = threadgroups_per_grid.z;
  const int channel = static_cast<int>(block) * LANES + lane;
  const bool in_range = channel < Dh;
  const int slot = slice * LANES + lane;
  const long group = head / (H / G);
  const long member = head % (H / G);
  const long state = ((batch * H + head) * Dh + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;

  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = ((batch * tiles + tile) * H + head) * N * Dh + channel;

    const long carry_in = ((batch * 2 + tile % 2) * H + head) * N * Dh + channel;
    const long carry_out = ((batch * 2 + (tile + 1) % 2) * H + head) * N * Dh + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + (first * G + group) * N;
    const auto C_slice = C + (first * G + group) * N;
    const long parts = (((member * blocks + block) * batches * L + first) * G + group) * N;
    const auto B_out = B_parts + parts;
    const auto C_out = C_parts + parts;


    const bool has_step = lane < steps;
    const bool lane_forgets = HAS_RESET && has_step && reset[first + lane];
    const bool slice_forgets = HAS_RESET && simd_max(lane_forgets ? 1.0f : 0.0f) > 0.0f;
    const float lane_time = has_step ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
    const float slice_time = simd_sum(lane_time);
    const float gate_time = lane < STEPS ? lane_time : slice_time;
    const bool gate_forgets = lane < STEPS ? lane_forgets : slice_forgets;

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float by_B[STEPS];
    float by_rate[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      const bool live = i < steps;
      const long at = (first + i) * H + head;
      time[i] = simd_broadcast(lane_time, static_cast<ushort>(i));
      input[i] = live && in_range ? static_cast<float>(u[at * Dh + channel]) : 0.0f;
      grad[i] = live && in_range ? static_cast<float>(grad_y[at * Dh + channel]) : 0.0f;
      by_B[i] = 0.0f;
      by_rate[i] = 0.0f;
    }

    float all_rates = 0.0f;
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
        value[i] = live ? time[i] * input[i] * static_cast<float>(B_slice[i * G * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }
      float adjoint = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const float query = i < steps ? static_cast<float>(C_slice[i * G * N + n]) : 0.0f;
        adjoint = decay_apply<HAS_RESET>(gate[i], 0.0f, fma(query, grad[i], adjoint));
      }
      slice_a[slot] = simd_broadcast(lane_gate, STEPS);
      slice_b[slot] = local;
      slice_r[slot] = adjoint;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = static_cast<long>(n) * Dh;
      float h = in_range ? tile_state[saved + at] : 0.0f;
      float from_right = 0.0f;
      if (in_range && tile + 1 < tiles) {
        from_right = carry[carry_in + at];
      } else if (in_range) {
        from_right = grad_final_state[state + n];
        if (slice == 0) {
          carry[carry_in + at] = from_right;
        }
      }
      h = decay_fold<HAS_RESET>(slice_a + lane, slice_b + lane, LANES, slice, h);
      from_right =
          decay_fold_reverse<HAS_RESET>(slice_a + lane, slice_r + lane, LANES, SLICES, slice + 1, from_right);


#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const float previous = h;
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        value[i] = previous;
        const float part = simd_sum(grad[i] * h);
        if (lane == 0 && i < steps) {
          C_out[i * G * N + n] = part;
        }
      }
      float rate_sum = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const bool live = i < steps;
        const float query = live ? static_cast<float>(C_slice[i * G * N + n]) : 0.0f;
        const float key = live ? static_cast<float>(B_slice[i * G * N + n]) : 0.0f;
        const float r = fma(query, grad[i], from_right);
        from_right = decay_apply<HAS_RESET>(gate[i], 0.0f, r);
        const float through = HAS_RESET && gate[i] == 0.0f ? 0.0f : from_right * value[i];
        by_B[i] = fma(r, key, by_B[i]);
        by_rate[i] = fma(through, rate, by_rate[i]);
        rate_sum = fma(through, time[i], rate_sum);
        const float part = time[i] * simd_sum(r * input[i]);
        if (lane == 0 && live) {
          B_out[i * G * N + n] = part;
        }
      }
      if (in_range && slice == 0) {
        carry[carry_out + at] = from_right;
        if (HAS_INITIAL_STATE && tile == 0) {
          grad_initial_state[state + n] = from_right;
        }
      }

      slice_rate[slot] = rate_sum;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      float total = 0.0f;
      for (int s = 0; s < SLICES; ++s) {
        total += slice == 0 ? slice_rate[s * LANES + lane] : 0.0f;
      }
      total = simd_sum(total);
      all_rates += total;
      if (A_PER_STATE && slot == 0) {
        A_parts[(((batch * tiles + tile) * blocks + block) * H + head) * N + n] = total;
      }
    }
    if (!A_PER_STATE && slot == 0) {
      A_parts[((batch * tiles + tile) * blocks + block) * H + head] = all_rates;
    }

#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      const long at = (first + i) * H + head;
      if (in_range && i < steps) {
        grad_u[at * Dh + channel] = static_cast<U>(time[i] * by_B[i]);
      }
      const float part = simd_sum(fma(input[i], by_B[i], by_rate[i]));
      if (lane == 0 && i < steps) {
        delta_parts[block * batches * L * H + at] = part;
      }
    }
  }

}

template [[host_name("custom_kernel_ssd_backward_d0db290d__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_backward_d0db290d__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 16, 8, 1, 1, 1>) custom_kernel_ssd_backward_d0db290d__float_float_float_float_float_32_16_8_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 16, 8, 1, 1, 1>;
