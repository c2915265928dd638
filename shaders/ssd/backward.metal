// ssd backward: with g[t] = exp(delta[t] * A) and R[t] = grad_y[t] (x) C[t] + g[t+1] o R[t+1],
// R[L-1] += grad_final_state, and E[t] = g[t] o R[t] o h[t-1]: grad_C = sum_d grad_y o h,
// grad_B = delta * sum_d R o u, grad_u = delta * sum_n R o B, grad_delta = sum_dn (R o u (x) B + A o E),
// grad_A = sum_td delta * E, grad_initial_state = g[0] o R[0]. Shapes and paper as in forward.metal.
//
// The walk of the forward pass from last to first. The states are recomputed from those that entered a tile:
// once to keep those that enter each STEPS steps in step_state, then those STEPS at a time. What is summed
// over channels, heads or time leaves here in parts. As in the forward pass, states are sums of two floats,
// and so are the sums over time.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/simd_sums.h"
#include "states.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeB,
    typename TypeC,
    typename TypeA,
    int LANES,
    int SLICES,
    int STATES,
    int STEPS,
    int TILE,
    bool A_PER_STATE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void ssd_backward(
    const device U* u,                     // [B, L, H, Dh]
    const device Delta* delta,             // [B, L, H]
    const device TypeB* B,                 // [B, L, G, N]
    const device TypeC* C,                 // [B, L, G, N]
    const device TypeA* A,                 // [H, N] or [H]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, TILES, H, N, Dh]
    const device U* grad_y,                // [B, L, H, Dh]
    const device float* grad_final_state,  // [B, H, Dh, N]
    device U* grad_u,                      // [B, L, H, Dh]
    device float* grad_initial_state,      // [B, H, Dh, N]
    device float* delta_parts,             // [BLOCKS, B, L, H]
    device float* B_parts,                 // [H // G * BLOCKS, B, L, G, N]
    device float* C_parts,                 // [H // G * BLOCKS, B, L, G, N]
    device float* A_parts,                 // [2 * B * BLOCKS * STEPS * A_ROWS, H * A_STATES]
    device float* carry,                   // [2, B, H, N, Dh]
    device float* step_state,              // [TILE_STEPS, B, H, N, Dh]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
    uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {
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
  // The bits in which simd_sums leaves states and steps.
  const int lane_step = lane % STEPS;
  const int lane_state = lane / STEPS;
  // Of this simdgroup, a row of states for each step.
  const int own = slice * LANES;
  const int lane_slot = own + lane_step * STATES + lane_state;

  // As in the forward pass, for compilers for CPUs.
  auto lane_partial = partial + lane;

  // g[t+1] o R[t+1], and the gradient of a lane's rate.
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
#pragma clang loop unroll(full)
        for (int i = 0; i < STEPS; ++i) {
          const float input = in_range && i < steps ? static_cast<float>(*u_step) : 0.0f;
          u_step += row;
#pragma clang loop unroll(full)
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
#pragma clang loop unroll(full)
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
#pragma clang loop unroll(full)
        for (int i = 0; i < STEPS; ++i) {
          float parts[STATES];
#pragma clang loop unroll(full)
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

        // Has the gates read again, because registers do not hold them beside the states of all steps.
        simdgroup_barrier(mem_flags::mem_threadgroup);
        float leaks[STEPS];
#pragma clang loop unroll(full)
        for (int i = STEPS - 1; i >= 0; --i) {
          float parts[STATES];
          float leak[STATES];
#pragma clang loop unroll(full)
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
        // Not read after the first steps, but nothing leaves here unwritten.
        if (waits || t == 0) {
          states_store<STATES>(from_right, carry + carried + offset, Dh, held);
          states_store<STATES>(right_rest, carry + carried_rest + offset, Dh, held);
        }
        if (HAS_INITIAL_STATE && t == 0) {
          states_store<STATES>(from_right, grad_initial_state + state + n, 1, held);
        }
      }

      // Two buffers in turn: one barrier keeps writers of the next off those who still read.
      const int buffer = t / STEPS % 2 * SLICES;
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
        lane_partial[((buffer + slice) * STEPS + i) * LANES] = by_key[i];
      }
      // Adds up the lanes of each step, its states.
#pragma clang loop unroll(full)
      for (int offset = STEPS; offset < LANES; offset *= 2) {
        delta_sum += simd_shuffle_xor(delta_sum, static_cast<ushort>(offset));
      }
      if (lane_state == 0) {
        partial_delta[(buffer + slice) * STEPS + lane_step] = delta_sum;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
      for (int round = 0; round < STEPS; round += SLICES) {
        const int i = round + slice;
        if (i < steps) {
          float total = 0.0f;
          float total_delta = 0.0f;
#pragma clang loop unroll(full)
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
