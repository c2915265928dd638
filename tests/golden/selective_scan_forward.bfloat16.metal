#line 1 "shaders/selective_scan/forward.metal"







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

#line 11 "shaders/selective_scan/forward.metal"
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

#line 12 "shaders/selective_scan/forward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeA, typename TypeB, typename TypeC, typename TypeD, typename Z, typename Bias, int LANES, int SLICES, int STEPS, bool SOFTPLUS, bool HAS_D, bool HAS_Z, bool HAS_DELTA_BIAS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_selective_scan_forward_545e0a76__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float(
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
  const device float* initial_state [[buffer(10)]],
  const device bool* reset [[buffer(11)]],
  device bfloat16_t* y [[buffer(12)]],
  device float* final_state [[buffer(13)]],
  device float* tile_state [[buffer(14)]],
  device float* tile_rest [[buffer(15)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 51 "shaders/selective_scan/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[2 * SLICES * LANES];
  threadgroup float slice_b[2 * SLICES * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < channels;

  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  const long state = (batch * channels + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;

  int buffer = 0;
  for (long tile = 0; tile < tiles; ++tile) {
    const long saved = (batch * tiles + tile) * N * channels + channel;
    const long carried = batch * N * channels + channel;
    const long saved_next = saved + static_cast<long>(N) * channels;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + first * N;
    const auto C_slice = C + first * N;


    float time[STEPS];
    float drive[STEPS];
    float sum[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long at = (first + i) * channels + channel;
      const float step = live ? static_cast<float>(delta[at]) + bias : 0.0f;
      const float input = live ? static_cast<float>(u[at]) : 0.0f;
      time[i] = SOFTPLUS && live ? softplus(step) : step;
      drive[i] = time[i] * input;
      sum[i] = skip * input;
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
        value[i] = i < steps ? drive[i] * static_cast<float>(B_slice[i * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }


      buffer = SLICES * LANES - buffer;
      lane_a[buffer + slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[buffer + slice * LANES] = local;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = saved + static_cast<long>(n) * channels;
      float h = 0.0f;
      if (in_range && tile > 0) {
        h = tile_state[at];
      } else if (in_range) {
        h = HAS_INITIAL_STATE ? initial_state[state + n] : 0.0f;
        if (slice == 0) {
          tile_state[at] = h;
        }
      }
      const bool carries = in_range && slice == SLICES - 1;
      const long rest_at = carried + static_cast<long>(n) * channels;
      float rest = carries && tile > 0 ? tile_rest[rest_at] : 0.0f;
      decay_fold<HAS_RESET>(lane_a + buffer, lane_b + buffer, LANES, slice, h, rest);
      if (carries) {
        float next = h;
        float next_rest = rest;
        decay_carry<HAS_RESET>(
            next, next_rest, lane_a[buffer + slice * LANES], lane_b[buffer + slice * LANES]);
        sum_settle(next, next_rest);
        tile_rest[rest_at] = next_rest;
        if (tile + 1 < tiles) {
          tile_state[saved_next + static_cast<long>(n) * channels] = next;
        } else {
          final_state[state + n] = next;
        }
      }
      h += rest;
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        sum[i] = i < steps ? fma(static_cast<float>(C_slice[i * N + n]), h, sum[i]) : 0.0f;
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        const long at = (first + i) * channels + channel;
        const float opened = HAS_Z ? static_cast<float>(z[at]) : 1.0f;
        y[at] = static_cast<U>(HAS_Z ? sum[i] * opened * sigmoid(opened) : sum[i]);
      }
    }
  }

}

template [[host_name("custom_kernel_selective_scan_forward_545e0a76__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_selective_scan_forward_545e0a76__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>) custom_kernel_selective_scan_forward_545e0a76__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_16_8_0_1_1_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 16, 8, 0, 1, 1, 1, 1, 1>;
