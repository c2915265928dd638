#line 1 "shaders/rglru_gated/forward.metal"







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

#line 11 "shaders/rglru_gated/forward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeA, int N, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_gated_forward_7899595c__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* A [[buffer(3)]],
  const device float* initial_state [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  device float* y [[buffer(6)]],
  device float* final_state [[buffer(7)]],
  device float* tile_state [[buffer(8)]],
  device float* tile_rest [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 37 "shaders/rglru_gated/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[2 * SLICES * LANES];
  threadgroup float slice_b[2 * SLICES * LANES];

  const int L = u_shape[1];
  const int D = u_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;

  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  const long state = (batch * D + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;

  int buffer = 0;
  for (long tile = 0; tile < tiles; ++tile) {
    const long saved = (batch * tiles + tile) * N * D + channel;
    const long carried = batch * N * D + channel;
    const long saved_next = saved + static_cast<long>(N) * D;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));


    float time[STEPS];
    float input[STEPS];
    float sum[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      time[i] = live ? static_cast<float>(delta[(first + i) * D + channel]) : 0.0f;
      input[i] = live ? static_cast<float>(u[(first + i) * D + channel]) : 0.0f;
      sum[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    for (int n = 0; n < N; ++n) {
      const float base = in_range ? static_cast<float>(A[A_PER_STATE ? channel * N + n : channel]) : 1.0f;
      const float rate = decay_rate(base);
      float gate[STEPS];
      float value[STEPS];
      float local = 0.0f;

#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const float power = decay_of(time[i] * rate);
        value[i] = sqrt(decay_complement(power)) * input[i];
        gate[i] = forgets[i] ? 0.0f : power;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }


      buffer = SLICES * LANES - buffer;
      lane_a[buffer + slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[buffer + slice * LANES] = local;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = saved + static_cast<long>(n) * D;
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
      const long rest_at = carried + static_cast<long>(n) * D;
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
          tile_state[saved_next + static_cast<long>(n) * D] = next;
        } else {
          final_state[state + n] = next;
        }
      }
      h += rest;
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        sum[i] += h;
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        y[(first + i) * D + channel] = static_cast<U>(sum[i]);
      }
    }
  }

}

template [[host_name("custom_kernel_rglru_gated_forward_7899595c__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_gated_forward_7899595c__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>) custom_kernel_rglru_gated_forward_7899595c__float_float_float_16_32_16_8_1_1_1_float_float_float_float_bool_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>;
