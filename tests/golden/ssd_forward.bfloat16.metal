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

#line 13 "shaders/ssd/forward.metal"
#line 1 "shaders/ssd/states.h"



#include <metal_stdlib>



template <int STATES, typename Source>
inline void states_load(thread float (&states)[STATES], Source source, int stride, int count) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    states[k] = k < count ? source[k * stride] : 0.0f;
  }
}

template <int STATES, typename Destination>
inline void states_store(thread float (&states)[STATES], Destination destination, int stride, int count) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    if (k < count) {
      destination[k * stride] = states[k];
    }
  }
}



template <int STATES>
inline float states_gate(float x, bool forgets, int lane_state, thread bool (&slow)[STATES]) {
  const float gate = forgets ? 0.0f : decay_of_walk(x);
  bool is_slow = false;
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    slow[k] = metal::simd_all(gate < 0.0f || lane_state != k);
    is_slow = is_slow || (slow[k] && lane_state == k);
  }
  return is_slow ? gate : decay_value(gate);
}



template <int STATES>
inline void states_begin(
    thread float (&states)[STATES], thread float (&rests)[STATES], thread bool (&slow)[STATES]) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    rests[k] = slow[k] ? rests[k] : states[k];
    states[k] = slow[k] ? states[k] : 0.0f;
  }
}

template <int STATES>
inline void states_end(thread float (&states)[STATES], thread float (&rests)[STATES]) {
#pragma unroll
  for (int k = 0; k < STATES; ++k) {
    sum_settle(states[k], rests[k]);
  }
}

#line 14 "shaders/ssd/forward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STATES, int STEPS, int TILE, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_forward_4e051f1f__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* B [[buffer(3)]],
  const constant int* B_shape [[buffer(4)]],
  const device bfloat16_t* C [[buffer(5)]],
  const device bfloat16_t* A [[buffer(6)]],
  const device float* initial_state [[buffer(7)]],
  const device bool* reset [[buffer(8)]],
  device bfloat16_t* y [[buffer(9)]],
  device float* final_state [[buffer(10)]],
  device float* tile_state [[buffer(11)]],
  device float* carry [[buffer(12)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
  uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {

#line 47 "shaders/ssd/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(LANES == 32, "LANES must be a simdgroup, because it shares what its steps have in common");
  static_assert(STATES * STEPS == LANES, "a lane makes the gate of one step and state");
  static_assert(TILE % STEPS == 0, "a tile must be whole steps, because states are saved at its start");
  threadgroup float gates[SLICES * LANES];
  threadgroup float keys[SLICES * LANES];
  threadgroup float queries[SLICES * LANES];
  threadgroup float partial[2 * SLICES * STEPS * LANES];

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
  const long row = static_cast<long>(H) * Dh;
  const long group = head / (H / G);
  const long state = ((batch * H + head) * Dh + channel) * N;
  const long carried = (batch * H + head) * N * Dh + channel;
  const long carried_rest = carried + threadgroups_per_grid.z * row * N;
  const long tiles = (L + TILE - 1) / TILE;
  const bool waits = N > SLICES * STATES;
  const int lane_step = lane / STATES;
  const int lane_state = lane % STATES;

  const int own = slice * LANES;



  auto lane_gates = gates + lane;
  auto lane_keys = keys + lane;
  auto lane_queries = queries + lane;
  auto lane_partial = partial + lane;

  float h[STATES];
  float rest[STATES];
  for (int t = 0; t < L; t += STEPS) {
    const long first = batch * L + t;
    const int steps = min(STEPS, L - t);
    const bool has_step = lane_step < steps;
    const bool forgets = HAS_RESET && has_step && reset[first + lane_step];
    const float time = has_step ? static_cast<float>(delta[(first + lane_step) * H + head]) : 0.0f;
    const long saved = ((batch * tiles + t / TILE) * H + head) * N * Dh + channel;
    auto u_step = u + (first * H + head) * Dh + channel;
    float input[STEPS];
    float sum[STEPS];
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      input[i] = in_range && i < steps ? static_cast<float>(*u_step) : 0.0f;
      u_step += row;
      sum[i] = 0.0f;
    }

    for (int round = 0; round < N; round += SLICES * STATES) {
      const int n = round + slice * STATES;

      const bool has_state = n + lane_state < N;
      const bool live = has_step && has_state;
      const float rate =
          has_state ? static_cast<float>(A[A_PER_STATE ? head * N + n + lane_state : head]) : 0.0f;
      const long at = ((first + lane_step) * G + group) * N + n + lane_state;
      bool slow[STATES];
      simdgroup_barrier(mem_flags::mem_threadgroup);
      lane_gates[own] = states_gate<STATES>(time * rate, forgets, lane_state, slow);
      lane_keys[own] = live ? time * static_cast<float>(B[at]) : 0.0f;
      lane_queries[own] = live ? static_cast<float>(C[at]) : 0.0f;
      simdgroup_barrier(mem_flags::mem_threadgroup);

      const long offset = static_cast<long>(n) * Dh;
      const int held = in_range ? N - n : 0;
      if (t == 0) {
        states_load<STATES>(h, initial_state + state + n, 1, HAS_INITIAL_STATE ? held : 0);
        states_load<STATES>(rest, initial_state, 1, 0);
      } else if (waits) {
        states_load<STATES>(h, carry + carried + offset, Dh, held);
        states_load<STATES>(rest, carry + carried_rest + offset, Dh, held);
      }
      if (t % TILE == 0) {
        states_store<STATES>(h, tile_state + saved + offset, Dh, held);
      }
      states_begin<STATES>(h, rest, slow);
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
#pragma unroll
        for (int k = 0; k < STATES; ++k) {
          const int map = own + i * STATES + k;
          const float added = fma(keys[map], input[i], slow[k] ? rest[k] : 0.0f);
          rest[k] = decay_moved<HAS_RESET>(gates[map], h[k] + rest[k], added);
          sum[i] = fma(queries[map], h[k] + rest[k], sum[i]);
        }
      }
      states_end<STATES>(h, rest);
      const bool is_last = t + STEPS >= L;
      if (is_last) {
        states_store<STATES>(h, final_state + state + n, 1, held);
      }

      if (is_last || waits) {
        states_store<STATES>(h, carry + carried + offset, Dh, held);
        states_store<STATES>(rest, carry + carried_rest + offset, Dh, held);
      }
    }


    const int buffer = t / STEPS % 2 * SLICES * STEPS * LANES;
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      lane_partial[buffer + (slice * STEPS + i) * LANES] = sum[i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int round = 0; round < STEPS; round += SLICES) {
      const int i = round + slice;
      if (i < steps && in_range) {
        float total = 0.0f;
#pragma unroll
        for (int s = 0; s < SLICES; ++s) {
          total += lane_partial[buffer + (s * STEPS + i) * LANES];
        }
        y[((first + i) * H + head) * Dh + channel] = static_cast<U>(total);
      }
    }
  }

}

template [[host_name("custom_kernel_ssd_forward_4e051f1f__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_forward_4e051f1f__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 4, 4, 8, 128, 1, 1, 1>) custom_kernel_ssd_forward_4e051f1f__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_4_4_8_128_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 4, 4, 8, 128, 1, 1, 1>;
