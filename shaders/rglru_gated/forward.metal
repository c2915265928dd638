// rglru_gated forward: g[t] = A^delta[t], h[t] = g[t] o h[t-1] + sqrt(1 - g[t]^2) * u[t], y[t] = sum_n h[t],
// for each channel and state. u, delta, y are [B, L, D], A in (0, 1) is [D, N] or [D]; h[-1] is initial_state
// [B, D, N] or 0. De et al. 2024, Griffin, arXiv:2402.19427, eq. 3 and 4.
//
// 1 - g^2 is computed from g - 1, so it keeps its digits near g = 1. A threadgroup owns LANES channels and
// walks over time in tiles of SLICES x STEPS, as rglru's does, and over the N states in each tile. Between
// tiles the states are in tile_state, so N has no bound.
#include <metal_stdlib>

#include "../common/decay.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeA,
    int N,
    int LANES,
    int SLICES,
    int STEPS,
    bool A_PER_STATE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void rglru_gated_forward(
    const device U* u,                  // [B, L, D]
    const device Delta* delta,          // [B, L, D]
    const device TypeA* A,              // [D, N] or [D]
    const device float* initial_state,  // [B, D, N]
    const device bool* reset,           // [B, L]
    device U* y,                        // [B, L, D]
    device float* final_state,          // [B, D, N]
    device float* tile_state,           // [B, TILES, N, D]
    device float* tile_rest,            // [B, N, D]
    const constant int* u_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
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
  // Pointers to a lane's elements: compilers for CPUs then see that lanes access adjacent addresses.
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

    // Steps past the end have delta = 0 and are the identity, which does not change the state.
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
      // Unroll by name: a long loop otherwise keeps its arrays in memory.
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
        const float power = decay_of(time[i] * rate);
        value[i] = metal::precise::sqrt(decay_complement(power)) * input[i];
        gate[i] = forgets[i] ? 0.0f : power;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }

      // Two buffers alternate: with one barrier a state, no thread overwrites a buffer that another still
      // reads.
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
#pragma clang loop unroll(full)
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
