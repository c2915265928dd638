#line 1 "shaders/rglru_gated/backward.metal"








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

#line 12 "shaders/rglru_gated/backward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeA, int N, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_gated_backward_89d367e4__float_float_float_16_32_16_8_1_1_1_float_float_float_bool_float_floatc_float_float_float_float_float_float_float(
  const device float* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device float* delta [[buffer(2)]],
  const device float* A [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const device float* tile_state [[buffer(5)]],
  const constant float* sqrt_grad_limit [[buffer(6)]],
  const device float* grad_y [[buffer(7)]],
  const device float* grad_final_state [[buffer(8)]],
  device float* grad_u [[buffer(9)]],
  device float* grad_delta [[buffer(10)]],
  device float* grad_initial_state [[buffer(11)]],
  device float* A_parts [[buffer(12)]],
  device float* carry [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 42 "shaders/rglru_gated/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int A_STATES = A_PER_STATE ? N : 1;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_r[SLICES * LANES];
  threadgroup float slice_rate[SLICES * LANES];

  const int L = u_shape[1];
  const int D = u_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;

  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  auto lane_r = slice_r + lane;
  auto lane_rate = slice_rate + lane;
  const long state = (batch * D + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float least = 1.0f / sqrt_grad_limit[0];

  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = (batch * tiles + tile) * N * D + channel;

    const long carry_in = (batch * 3 + tile % 2) * N * D + channel;
    const long carry_out = (batch * 3 + (tile + 1) % 2) * N * D + channel;
    const long carry_rest = (batch * 3 + 2) * N * D + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float by_root[STEPS];
    float by_rate[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      time[i] = live ? static_cast<float>(delta[(first + i) * D + channel]) : 0.0f;
      input[i] = live ? static_cast<float>(u[(first + i) * D + channel]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[(first + i) * D + channel]) : 0.0f;
      by_root[i] = 0.0f;
      by_rate[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    float all_rates = 0.0f;
    for (int n = 0; n < N; ++n) {
      const float base = in_range ? static_cast<float>(A[A_PER_STATE ? channel * N + n : channel]) : 1.0f;
      const bool closed = base == 0.0f;
      const float rate = decay_rate(base);
      float power[STEPS];
      float value[STEPS];
      float local = 0.0f;

#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        power[i] = decay_of(time[i] * rate);
        value[i] = sqrt(decay_complement(power[i])) * input[i];
        const float gate = forgets[i] ? 0.0f : power[i];
        local = decay_apply<HAS_RESET>(gate, value[i], local);
      }
      float adjoint = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        adjoint = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], 0.0f, grad[i] + adjoint);
      }
      lane_a[slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[slice * LANES] = local;
      lane_r[slice * LANES] = adjoint;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = static_cast<long>(n) * D;
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
        h = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], value[i], h);
        value[i] = previous;
      }
      float rate_sum = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const float r = grad[i] + from_right;
        from_right = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], 0.0f, r);
        const float root = sqrt(decay_complement(power[i]));
        const float g = decay_value(power[i]);
        const float slope = -2.0f * g * g / max(2.0f * root, least);

        const float passed = closed && time[i] == 1.0f ? r : from_right;
        const float through = fma(r * input[i], slope, forgets[i] ? 0.0f : passed * value[i]);
        by_root[i] = fma(r, root, by_root[i]);
        by_rate[i] = fma(through, closed ? 0.0f : rate, by_rate[i]);
        rate_sum = fma(through, time[i], rate_sum);
      }
      lane_rate[slice * LANES] = rate_sum;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (in_range && slice == 0) {
        for (int s = 0; s < SLICES; ++s) {
          all_rates += lane_rate[s * LANES];
        }
        if (A_PER_STATE || n == N - 1) {
          const long part = (batch * D + channel) * A_STATES + n % A_STATES;
          const long rests = static_cast<long>(u_shape[0]) * D * A_STATES;
          part_add(A_parts + part, rests, all_rates / (closed ? 1.0f : base), tile + 1 == tiles);
          all_rates = 0.0f;
        }
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        grad_u[(first + i) * D + channel] = static_cast<U>(by_root[i]);
        grad_delta[(first + i) * D + channel] = static_cast<Delta>(by_rate[i]);
      }
    }
  }

}

template [[host_name("custom_kernel_rglru_gated_backward_89d367e4__float_float_float_16_32_16_8_1_1_1_float_float_float_bool_float_floatc_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_gated_backward_89d367e4__float_float_float_16_32_16_8_1_1_1_float_float_float_bool_float_floatc_float_float_float_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>) custom_kernel_rglru_gated_backward_89d367e4__float_float_float_16_32_16_8_1_1_1_float_float_float_bool_float_floatc_float_float_float_float_float_float_float<float, float, float, 16, 32, 16, 8, 1, 1, 1>;
