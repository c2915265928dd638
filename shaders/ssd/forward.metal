// ssd forward: h[t] = exp(delta[t] * A) o h[t-1] + delta[t] * u[t] (x) B[t], y[t] = h[t] C[t], each head and
// channel on its own. u, y are [B, L, H, Dh], delta [B, L, H], B, C [B, L, G, N] with H / G heads a group,
// A [H, N] or [H]; h[-1] is initial_state [B, H, Dh, N] or 0. Dao and Gu 2024, Transformers are SSMs,
// arXiv:2405.21060, eq. 2, with a decay for each state.
//
// A threadgroup owns LANES channels of one head and walks over time STEPS at a time. A thread has STATES
// states of one channel, the simdgroups others, so y is summed over them in threadgroup memory. Where N is
// more than all of them have, the states wait in `carry` between one walk over N and the next. A state is a
// sum of two floats, so that a decay near 1 does not add up the rounding of every step.
#include <metal_stdlib>

#include "../common/decay.h"
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
[[kernel]] void ssd_forward(
    const device U* u,                  // [B, L, H, Dh]
    const device Delta* delta,          // [B, L, H]
    const device TypeB* B,              // [B, L, G, N]
    const device TypeC* C,              // [B, L, G, N]
    const device TypeA* A,              // [H, N] or [H]
    const device float* initial_state,  // [B, H, Dh, N]
    const device bool* reset,           // [B, L]
    device U* y,                        // [B, L, H, Dh]
    device float* final_state,          // [B, H, Dh, N]
    device float* tile_state,           // [B, TILES, H, N, Dh]
    device float* carry,                // [2, B, H, N, Dh]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]],
    uint3 threadgroups_per_grid [[threadgroups_per_grid]]) {
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
  // Of this simdgroup, a row of states for each step.
  const int own = slice * LANES;

  // Pointers to what a lane has of threadgroup memory: compilers for CPUs then see that lanes lie side by
  // side.
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
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      input[i] = in_range && i < steps ? static_cast<float>(*u_step) : 0.0f;
      u_step += row;
      sum[i] = 0.0f;
    }

    for (int round = 0; round < N; round += SLICES * STATES) {
      const int n = round + slice * STATES;
      // Steps past the end are the identity (1, 0): they leave the state as it is.
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
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
#pragma clang loop unroll(full)
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
      // Not read after the last steps, but nothing leaves here unwritten.
      if (is_last || waits) {
        states_store<STATES>(h, carry + carried + offset, Dh, held);
        states_store<STATES>(rest, carry + carried_rest + offset, Dh, held);
      }
    }

    // Two buffers in turn: one barrier keeps writers of the next off those who still read.
    const int buffer = t / STEPS % 2 * SLICES * STEPS * LANES;
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      lane_partial[buffer + (slice * STEPS + i) * LANES] = sum[i];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int round = 0; round < STEPS; round += SLICES) {
      const int i = round + slice;
      if (i < steps && in_range) {
        float total = 0.0f;
#pragma clang loop unroll(full)
        for (int s = 0; s < SLICES; ++s) {
          total += lane_partial[buffer + (s * STEPS + i) * LANES];
        }
        y[((first + i) * H + head) * Dh + channel] = static_cast<U>(total);
      }
    }
  }
}
