#line 1 "shaders/selective_scan/backward.metal"









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


inline float decay_of_walk(float x) {
  const float decay = decay_of(x);
  return decay == 1.0f ? -1e-37f : decay;
}


inline float decay_rate(float base) {
  return base == 0.0f ? -1e38f : metal::log(base);
}


inline float decay_value(float decay) {
  return decay < 0.0f ? 1.0f + decay : decay;
}


inline float decay_complement(float decay) {
  return decay < 0.0f ? -decay * (2.0f + decay) : (1.0f - decay) * (1.0f + decay);
}



template <bool RESETS>
inline float decay_moved(float decay, float h, float added) {
  const float moved = metal::fma(decay, h, added);
  return RESETS && decay == 0.0f ? added : moved;
}

template <bool RESETS>
inline float decay_apply(float decay, float b, float h) {
  return decay_moved<RESETS>(decay, h, decay < 0.0f ? h + b : b);
}


inline void sum_settle(thread float& sum, thread float& rest) {
  const float total = sum + rest;
  rest -= total - sum;
  sum = total;
}


template <typename Part>
inline void part_add(Part part, long rests, float x, bool is_first) {
  float sum = is_first ? 0.0f : part[0];
  float rest = x + (is_first ? 0.0f : part[rests]);
  sum_settle(sum, rest);
  part[0] = sum;
  part[rests] = rest;
}



template <bool RESETS>
inline void decay_carry(thread float& h, thread float& rest, float decay, float b) {
  const bool slow = decay < 0.0f;
  rest = decay_moved<RESETS>(decay, h + rest, slow ? rest + b : b);
  h = slow ? h : 0.0f;
}



template <bool RESETS, typename Maps>
inline float decay_fold(Maps decay, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = decay_apply<RESETS>(decay[s * stride], b[s * stride], h);
  }
  return h;
}


template <bool RESETS, typename Maps>
inline void decay_fold(Maps decay, Maps b, int stride, int slices, thread float& h, thread float& rest) {
  for (int s = 0; s < slices; ++s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}


template <bool RESETS, typename Maps>
inline void decay_fold_reverse(
    Maps decay, Maps b, int stride, int slices, int first, thread float& h, thread float& rest) {
  for (int s = slices - 1; s >= first; --s) {
    decay_carry<RESETS>(h, rest, decay[s * stride], b[s * stride]);
  }
}

#line 13 "shaders/selective_scan/backward.metal"
#line 1 "shaders/common/elementary.h"



#include <metal_stdlib>


inline float exp_minus_one(float x, float exp_x) {
  float series = 1.0f / 3628800.0f;
  series = metal::fma(series, x, 1.0f / 362880.0f);
  series = metal::fma(series, x, 1.0f / 40320.0f);
  series = metal::fma(series, x, 1.0f / 5040.0f);
  series = metal::fma(series, x, 1.0f / 720.0f);
  series = metal::fma(series, x, 1.0f / 120.0f);
  series = metal::fma(series, x, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.6931472f ? series : exp_x - 1.0f;
}


inline float log_one_plus(float x) {
  const float ratio = x / (2.0f + x);
  const float square = ratio * ratio;
  float series = 1.0f / 15.0f;
  series = metal::fma(series, square, 1.0f / 13.0f);
  series = metal::fma(series, square, 1.0f / 11.0f);
  series = metal::fma(series, square, 1.0f / 9.0f);
  series = metal::fma(series, square, 1.0f / 7.0f);
  series = metal::fma(series, square, 1.0f / 5.0f);
  series = metal::fma(series, square, 1.0f / 3.0f);
  series = metal::fma(series, square, 1.0f);
  return 2.0f * ratio * series;
}


inline float softplus(float x) {
  return metal::max(x, 0.0f) + log_one_plus(metal::exp(-metal::abs(x)));
}

inline float sigmoid(float x) {
  return 1.0f / (1.0f + metal::exp(-x));
}

#line 14 "shaders/selective_scan/backward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeA, typename TypeB, typename TypeC, typename TypeD, typename Z, typename Bias, int LANES, int SLICES, int STEPS, bool SOFTPLUS, bool HAS_D, bool HAS_Z, bool HAS_DELTA_BIAS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_selective_scan_backward_e23d608c__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_float_float_float_float_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* A [[buffer(3)]],
  const device bfloat16_t* B [[buffer(4)]],
  const constant int* B_shape [[buffer(5)]],
  const device bfloat16_t* C [[buffer(6)]],
  const device bfloat16_t* D [[buffer(7)]],
  const device bfloat16_t* z [[buffer(8)]],
  const device bfloat16_t* delta_bias [[buffer(9)]],
  const device bool* reset [[buffer(10)]],
  const device float* tile_state [[buffer(11)]],
  const device bfloat16_t* grad_y [[buffer(12)]],
  const device float* grad_final_state [[buffer(13)]],
  device bfloat16_t* grad_u [[buffer(14)]],
  device bfloat16_t* grad_delta [[buffer(15)]],
  device bfloat16_t* grad_z [[buffer(16)]],
  device float* grad_initial_state [[buffer(17)]],
  device float* A_parts [[buffer(18)]],
  device float* B_parts [[buffer(19)]],
  device float* C_parts [[buffer(20)]],
  device float* D_parts [[buffer(21)]],
  device float* bias_parts [[buffer(22)]],
  device float* carry [[buffer(23)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 61 "shaders/selective_scan/backward.metal"

  static_assert(LANES == 32, "LANES must be a simdgroup, because sums over channels are simd sums");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_r[SLICES * LANES];
  threadgroup float slice_rate[SLICES * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long block = threadgroup_position_in_grid.x;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = static_cast<int>(block) * LANES + lane;
  const bool in_range = channel < channels;

  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  auto lane_r = slice_r + lane;
  auto lane_rate = slice_rate + lane;
  const long state = (batch * channels + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;

  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = (batch * tiles + tile) * N * channels + channel;

    const long carry_in = (batch * 3 + tile % 2) * N * channels + channel;
    const long carry_out = (batch * 3 + (tile + 1) % 2) * N * channels + channel;
    const long carry_rest = (batch * 3 + 2) * N * channels + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + first * N;
    const auto C_slice = C + first * N;
    const long parts = (block * B_shape[0] * L + first) * N;
    const auto B_out = B_parts + parts;
    const auto C_out = C_parts + parts;

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float sum[STEPS];
    float by_B[STEPS];
    float by_rate[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long at = (first + i) * channels + channel;
      const float step = live ? static_cast<float>(delta[at]) + bias : 0.0f;
      const float opened = HAS_Z && live ? static_cast<float>(z[at]) : 1.0f;
      time[i] = SOFTPLUS && live ? softplus(step) : step;
      input[i] = live ? static_cast<float>(u[at]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[at]) * (HAS_Z ? opened * sigmoid(opened) : 1.0f) : 0.0f;
      sum[i] = skip * input[i];
      by_B[i] = 0.0f;
      by_rate[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    for (int n = 0; n < N; ++n) {
      const float rate = in_range ? static_cast<float>(A[static_cast<long>(channel) * N + n]) : 0.0f;
      float gate[STEPS];
      float value[STEPS];
      float local = 0.0f;

#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        gate[i] = forgets[i] ? 0.0f : decay_of(time[i] * rate);
        value[i] = i < steps ? time[i] * input[i] * static_cast<float>(B_slice[i * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }
      float adjoint = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const float query = i < steps ? static_cast<float>(C_slice[i * N + n]) : 0.0f;
        adjoint = decay_apply<HAS_RESET>(gate[i], 0.0f, fma(query, grad[i], adjoint));
      }
      lane_a[slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[slice * LANES] = local;
      lane_r[slice * LANES] = adjoint;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = static_cast<long>(n) * channels;
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
      h = decay_fold<HAS_RESET>(lane_a, lane_b, LANES, slice, h);
      const bool carries = in_range && slice == 0;
      float rest = carries && tile + 1 < tiles ? carry[carry_rest + at] : 0.0f;
      decay_fold_reverse<HAS_RESET>(lane_a, lane_r, LANES, SLICES, slice + 1, from_right, rest);
      if (carries) {
        float next = from_right;
        float next_rest = rest;
        decay_carry<HAS_RESET>(next, next_rest, lane_a[slice * LANES], lane_r[slice * LANES]);
        sum_settle(next, next_rest);
        carry[carry_rest + at] = next_rest;
        carry[carry_out + at] = next;
        if (HAS_INITIAL_STATE && tile == 0) {
          grad_initial_state[state + n] = next;
        }
      }
      from_right += rest;


#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const float previous = h;
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        value[i] = previous;
        if (HAS_Z && i < steps) {
          sum[i] = fma(static_cast<float>(C_slice[i * N + n]), h, sum[i]);
        }
        const float part = simd_sum(grad[i] * h);
        if (lane == 0 && i < steps) {
          C_out[i * N + n] = part;
        }
      }
      float rate_sum = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const bool live = i < steps;
        const float query = live ? static_cast<float>(C_slice[i * N + n]) : 0.0f;
        const float key = live ? static_cast<float>(B_slice[i * N + n]) : 0.0f;
        const float r = fma(query, grad[i], from_right);
        from_right = decay_apply<HAS_RESET>(gate[i], 0.0f, r);
        const float through = forgets[i] ? 0.0f : from_right * value[i];
        by_B[i] = fma(r, key, by_B[i]);
        by_rate[i] = fma(through, rate, by_rate[i]);
        rate_sum = fma(through, time[i], rate_sum);
        const float part = simd_sum(r * time[i] * input[i]);
        if (lane == 0 && live) {
          B_out[i * N + n] = part;
        }
      }
      lane_rate[slice * LANES] = rate_sum;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (in_range && slice == 0) {
        float total = 0.0f;
        for (int s = 0; s < SLICES; ++s) {
          total += lane_rate[s * LANES];
        }
        const long rests = static_cast<long>(B_shape[0]) * channels * N;
        part_add(A_parts + state + n, rests, total, tile + 1 == tiles);
      }
    }

    float by_skip = 0.0f;
    float by_bias = 0.0f;
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        const long at = (first + i) * channels + channel;

        const float slope = SOFTPLUS ? -exp_minus_one(-time[i], exp(-time[i])) : 1.0f;
        const float by_delta = slope * fma(input[i], by_B[i], by_rate[i]);
        grad_u[at] = static_cast<U>(fma(time[i], by_B[i], skip * grad[i]));
        grad_delta[at] = static_cast<Delta>(by_delta);
        by_bias += by_delta;
        by_skip = fma(grad[i], input[i], by_skip);
        if (HAS_Z) {
          const float opened = static_cast<float>(z[at]);
          const float open = sigmoid(opened);
          const float bend = open * fma(opened, 1.0f - open, 1.0f);
          grad_z[at] = static_cast<Z>(static_cast<float>(grad_y[at]) * sum[i] * bend);
        }
      }
    }

    lane_a[slice * LANES] = by_skip;
    lane_b[slice * LANES] = by_bias;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (in_range && slice == 0) {
      for (int s = 1; s < SLICES; ++s) {
        by_skip += lane_a[s * LANES];
        by_bias += lane_b[s * LANES];
      }
      const long part = batch * channels + channel;
      const long rests = static_cast<long>(B_shape[0]) * channels;
      part_add(D_parts + part, rests, by_skip, tile + 1 == tiles);
      part_add(bias_parts + part, rests, by_bias, tile + 1 == tiles);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }

}

template [[host_name("custom_kernel_selective_scan_backward_e23d608c__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_selective_scan_backward_e23d608c__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_float_float_float_float_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>) custom_kernel_selective_scan_backward_e23d608c__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_float_float_float_float_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>;
