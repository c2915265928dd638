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

#line 13 "shaders/ssd/backward.metal"
#line 1 "shaders/common/simd_sums.h"




#include <metal_stdlib>



template <int COUNT, int MASK>
inline float simd_sums(thread float (&values)[COUNT], int lane) {
#pragma unroll
  for (int level = 1; level < COUNT; level *= 2) {
    const int rest = COUNT / 2 / level;
    const bool upper = (lane & MASK / level) != 0;
#pragma unroll
    for (int i = 0; i < rest; ++i) {
      const float given = upper ? values[i] : values[i + rest];
      const float kept = upper ? values[i + rest] : values[i];
      values[i] = kept + metal::simd_shuffle_xor(given, static_cast<ushort>(MASK / level));
    }
  }
  return values[0];
}

#line 14 "shaders/ssd/backward.metal"
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

#line 15 "shaders/ssd/backward.metal"

using namespace metal;

template <typename U, typename Delta, typename TypeB, typename TypeC, typename TypeA, int LANES, int SLICES, int STATES, int STEPS, int TILE, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_ssd_backward_a1e71826__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float(
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
  device float* step_state [[buffer(18)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
  uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {

#line 54 "shaders/ssd/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(LANES == 32, "LANES must be a simdgroup, because sums over channels are simd sums");
  static_assert(STATES * STEPS == LANES, "a lane makes the gate of one step and state, and has its sums");
  static_assert(TILE % STEPS == 0, "a tile must be whole steps, because states are saved at its start");
  threadgroup float gates[SLICES * LANES];
  threadgroup float keys[SLICES * LANES];
  threadgroup float queries[SLICES * LANES];
  threadgroup float partial[2 * SLICES * STEPS * LANES];
  threadgroup float partial_delta[2 * SLICES * STEPS];

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
  const long row = static_cast<long>(H) * Dh;
  const long group = head / (H / G);
  const long member = head % (H / G);
  const long state = ((batch * H + head) * Dh + channel) * N;
  const long carried = (batch * H + head) * N * Dh + channel;
  const long carried_rest = carried + batches * row * N;
  const long tiles = (L + TILE - 1) / TILE;
  const bool waits = N > SLICES * STATES;

  const int lane_step = lane % STEPS;
  const int lane_state = lane / STEPS;

  const int own = slice * LANES;
  const int lane_slot = own + lane_step * STATES + lane_state;


  auto lane_partial = partial + lane;


  float from_right[STATES];
  float right_rest[STATES];
  float rate_sum = 0.0f;
  float rate_rest = 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    const int begin = static_cast<int>(tile) * TILE;
    const int end = min(L, begin + TILE);
    const long saved = ((batch * tiles + tile) * H + head) * N * Dh + channel;

    for (int round = 0; round < N; round += SLICES * STATES) {
      const int n = round + slice * STATES;
      const bool has_state = n + lane_state < N;
      const float rate =
          has_state ? static_cast<float>(A[A_PER_STATE ? head * N + n + lane_state : head]) : 0.0f;
      float h[STATES];
      float rest[STATES];
      const long offset = static_cast<long>(n) * Dh;
      const int held = in_range ? N - n : 0;
      states_load<STATES>(h, tile_state + saved + offset, Dh, held);
      states_load<STATES>(rest, tile_state, 1, 0);
      for (int t = begin; t < end; t += STEPS) {
        const long entered = (((t - begin) / STEPS * batches + batch) * H + head) * N * Dh + channel;
        states_store<STATES>(h, step_state + entered + offset, Dh, held);
        const long first = batch * L + t;
        const int steps = min(STEPS, L - t);
        const bool has_step = lane_step < steps;
        const bool forgets = HAS_RESET && has_step && reset[first + lane_step];
        const float time = has_step ? static_cast<float>(delta[(first + lane_step) * H + head]) : 0.0f;
        const long at = ((first + lane_step) * G + group) * N + n + lane_state;
        bool slow[STATES];
        simdgroup_barrier(mem_flags::mem_threadgroup);
        gates[lane_slot] = states_gate<STATES>(time * rate, forgets, lane_state, slow);
        keys[lane_slot] = has_step && has_state ? time * static_cast<float>(B[at]) : 0.0f;
        simdgroup_barrier(mem_flags::mem_threadgroup);
        auto u_step = u + (first * H + head) * Dh + channel;
        states_begin<STATES>(h, rest, slow);
#pragma unroll
        for (int i = 0; i < STEPS; ++i) {
          const float input = in_range && i < steps ? static_cast<float>(*u_step) : 0.0f;
          u_step += row;
#pragma unroll
          for (int k = 0; k < STATES; ++k) {
            const int map = own + i * STATES + k;
            const float added = fma(keys[map], input, slow[k] ? rest[k] : 0.0f);
            rest[k] = decay_moved<HAS_RESET>(gates[map], h[k] + rest[k], added);
          }
        }
        states_end<STATES>(h, rest);
      }
    }

    for (int t = begin + (end - 1 - begin) / STEPS * STEPS; t >= begin; t -= STEPS) {
      const long first = batch * L + t;
      const int steps = min(STEPS, L - t);
      const bool has_step = lane_step < steps;
      const bool forgets = HAS_RESET && has_step && reset[first + lane_step];
      const float time = has_step ? static_cast<float>(delta[(first + lane_step) * H + head]) : 0.0f;
      const bool is_last = t + STEPS >= L;
      const long entered = (((t - begin) / STEPS * batches + batch) * H + head) * N * Dh + channel;
      auto u_step = u + (first * H + head) * Dh + channel;
      auto grad_step = grad_y + (first * H + head) * Dh + channel;
      float input[STEPS];
      float grad[STEPS];
      float by_key[STEPS];
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const bool live = in_range && i < steps;
        input[i] = live ? static_cast<float>(*u_step) : 0.0f;
        grad[i] = live ? static_cast<float>(*grad_step) : 0.0f;
        by_key[i] = 0.0f;
        u_step += row;
        grad_step += row;
      }

      float delta_sum = 0.0f;
      for (int round = 0; round < N; round += SLICES * STATES) {
        const int n = round + slice * STATES;
        const bool has_state = n + lane_state < N;
        const bool live = has_step && has_state;
        const float rate =
            has_state ? static_cast<float>(A[A_PER_STATE ? head * N + n + lane_state : head]) : 0.0f;
        const long at = ((first + lane_step) * G + group) * N + n + lane_state;
        const float key = live ? static_cast<float>(B[at]) : 0.0f;
        bool slow[STATES];
        simdgroup_barrier(mem_flags::mem_threadgroup);
        gates[lane_slot] = states_gate<STATES>(time * rate, forgets, lane_state, slow);
        keys[lane_slot] = time * key;
        queries[lane_slot] = live ? static_cast<float>(C[at]) : 0.0f;
        simdgroup_barrier(mem_flags::mem_threadgroup);

        const long offset = static_cast<long>(n) * Dh;
        const int held = in_range ? N - n : 0;
        float h[STATES];
        float rest[STATES];
        states_load<STATES>(h, step_state + entered + offset, Dh, held);
        states_load<STATES>(rest, step_state, 1, 0);
        states_begin<STATES>(h, rest, slow);
        if (is_last) {
          states_load<STATES>(from_right, grad_final_state + state + n, 1, held);
          states_load<STATES>(right_rest, grad_final_state, 1, 0);
        } else if (waits) {
          states_load<STATES>(from_right, carry + carried + offset, Dh, held);
          states_load<STATES>(right_rest, carry + carried_rest + offset, Dh, held);
        }
        states_begin<STATES>(from_right, right_rest, slow);
        float before[STEPS][STATES];
        float sums[STEPS];
#pragma unroll
        for (int i = 0; i < STEPS; ++i) {
          float parts[STATES];
#pragma unroll
          for (int k = 0; k < STATES; ++k) {
            const int map = own + i * STATES + k;
            before[i][k] = h[k] + rest[k];
            const float added = fma(keys[map], input[i], slow[k] ? rest[k] : 0.0f);
            rest[k] = decay_moved<HAS_RESET>(gates[map], h[k] + rest[k], added);
            parts[k] = grad[i] * (h[k] + rest[k]);
          }
          sums[i] = simd_sums<STATES, LANES / 2>(parts, lane);
        }
        const float grad_query = simd_sums<STEPS, STEPS / 2>(sums, lane);


        simdgroup_barrier(mem_flags::mem_threadgroup);
        float leaks[STEPS];
#pragma unroll
        for (int i = STEPS - 1; i >= 0; --i) {
          float parts[STATES];
          float leak[STATES];
#pragma unroll
          for (int k = 0; k < STATES; ++k) {
            const int map = own + i * STATES + k;
            const float added = fma(queries[map], grad[i], right_rest[k]);
            const float r = from_right[k] + added;
            right_rest[k] = decay_moved<HAS_RESET>(gates[map], r, slow[k] ? added : 0.0f);
            parts[k] = r * input[i];
            const float left = from_right[k] + right_rest[k];
            leak[k] = HAS_RESET && gates[map] == 0.0f ? 0.0f : left * before[i][k];
            by_key[i] = fma(r, keys[map], by_key[i]);
          }
          sums[i] = simd_sums<STATES, LANES / 2>(parts, lane);
          leaks[i] = simd_sums<STATES, LANES / 2>(leak, lane);
        }
        states_end<STATES>(from_right, right_rest);
        const float grad_key = simd_sums<STEPS, STEPS / 2>(sums, lane);
        const float grad_rate = simd_sums<STEPS, STEPS / 2>(leaks, lane);

        delta_sum += fma(key, grad_key, rate * grad_rate);
        const long rates = (batch * blocks + block) * STEPS + lane_step;
        const long rate_at =
            A_PER_STATE ? (rates * H + head) * N + n + lane_state : (rates * N + n + lane_state) * H + head;
        const long rate_rest_at = rate_at + batches * blocks * STEPS * H * N;
        if (waits) {
          rate_sum = has_state && !is_last ? A_parts[rate_at] : 0.0f;
          rate_rest = has_state && !is_last ? A_parts[rate_rest_at] : 0.0f;
        }
        rate_rest = fma(time, grad_rate, rate_rest);
        sum_settle(rate_sum, rate_rest);
        if (has_state && (waits || t == 0)) {
          A_parts[rate_at] = rate_sum;
          A_parts[rate_rest_at] = rate_rest;
        }
        if (live) {
          const long part = (member * blocks + block) * batches * L * G * N + at;
          B_parts[part] = time * grad_key;
          C_parts[part] = grad_query;
        }

        if (waits || t == 0) {
          states_store<STATES>(from_right, carry + carried + offset, Dh, held);
          states_store<STATES>(right_rest, carry + carried_rest + offset, Dh, held);
        }
        if (HAS_INITIAL_STATE && t == 0) {
          states_store<STATES>(from_right, grad_initial_state + state + n, 1, held);
        }
      }


      const int buffer = t / STEPS % 2 * SLICES;
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        lane_partial[((buffer + slice) * STEPS + i) * LANES] = by_key[i];
      }

#pragma unroll
      for (int offset = STEPS; offset < LANES; offset *= 2) {
        delta_sum += simd_shuffle_xor(delta_sum, static_cast<ushort>(offset));
      }
      if (lane_state == 0) {
        partial_delta[(buffer + slice) * STEPS + lane_step] = delta_sum;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int round = 0; round < STEPS; round += SLICES) {
        const int i = round + slice;
        if (i < steps) {
          float total = 0.0f;
          float total_delta = 0.0f;
#pragma unroll
          for (int s = 0; s < SLICES; ++s) {
            total += lane_partial[((buffer + s) * STEPS + i) * LANES];
            total_delta += partial_delta[(buffer + s) * STEPS + i];
          }
          if (in_range) {
            grad_u[((first + i) * H + head) * Dh + channel] = static_cast<U>(total);
          }
          if (lane == 0) {
            delta_parts[block * batches * L * H + (first + i) * H + head] = total_delta;
          }
        }
      }
    }
  }

}

template [[host_name("custom_kernel_ssd_backward_a1e71826__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_ssd_backward_a1e71826__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 4, 4, 8, 128, 1, 1, 1>) custom_kernel_ssd_backward_a1e71826__float_float_float_float_float_32_4_4_8_128_1_1_1_float_float_float_float_float_bool_float_float_float_float_float_float_float_float_float_float_float<float, float, float, float, float, 32, 4, 4, 8, 128, 1, 1, 1>;
