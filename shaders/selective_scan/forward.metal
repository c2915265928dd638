// selective_scan forward: h[t] = exp(delta[t] A) o h[t-1] + delta[t] u[t] (x) B[t], y[t] = h[t] C[t], then +
// D u[t] and * silu(z[t]) where these are given, each channel on its own; delta[t] may first get delta_bias
// and softplus. u, delta, z, y are [B, L, D], A [D, N], B, C [B, L, N], D and delta_bias [D]; h[-1] is
// initial_state [B, D, N] or 0. Gu and Dao 2023, Mamba, arXiv:2312.00752, alg. 2.
//
// A threadgroup owns LANES channels and walks over time in tiles of SLICES x STEPS, for STATES of the N
// states at a time. A slice reduces its steps to a map h -> gate h + value for each state; of each state one
// thread a channel sends what enters the tile through the maps of all slices; then each slice walks from what
// enters it. Between tiles the states wait in tile_state, so N is not bounded.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"
#include "scan.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeA,
    typename TypeB,
    typename TypeC,
    typename TypeD,
    typename Z,
    typename Bias,
    int LANES,
    int SLICES,
    int STATES,
    int STEPS,
    bool SOFTPLUS,
    bool HAS_D,
    bool HAS_Z,
    bool HAS_DELTA_BIAS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void selective_scan_forward(
    const device U* u,                  // [B, L, D]
    const device Delta* delta,          // [B, L, D]
    const device TypeA* A,              // [D, N]
    const device TypeB* B,              // [B, L, N]
    const device TypeC* C,              // [B, L, N]
    const device TypeD* D,              // [D]
    const device Z* z,                  // [B, L, D]
    const device Bias* delta_bias,      // [D]
    const device float* initial_state,  // [B, D, N]
    const device bool* reset,           // [B, L]
    device U* y,                        // [B, L, D]
    device float* final_state,          // [B, D, N]
    device float* tile_state,           // [B, TILES, N, D]
    device float* tile_rest,            // [B, N, D]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES == 32, "LANES must be a simdgroup, because it shares B and C of its slice");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(STATES <= SLICES, "STATES must not pass SLICES, because a slice folds the maps of one state");
  constexpr int TILE = SLICES * STEPS;
  // A simdgroup has B and C of its steps and of WIDE states in threadgroup memory, an element a lane.
  constexpr int WIDE = LANES / STEPS;
  static_assert(WIDE * STEPS == LANES, "STEPS must divide LANES, which load a row of states each step");
  static_assert(
      WIDE % STATES == 0, "STATES must divide LANES / STEPS, because B and C come in rows of these");
  threadgroup float keys[SLICES * LANES];
  threadgroup float queries[SLICES * LANES];
  threadgroup float rates[STATES * LANES];
  threadgroup float map_decay[STATES * SLICES * LANES];
  threadgroup float map_value[STATES * SLICES * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < channels;
  // A lane's own, by pointers: compilers for CPUs then see that lanes lie side by side.
  auto lane_rates = rates + lane;
  auto lane_decay = map_decay + lane;
  auto lane_value = map_value + lane;
  auto slice_keys = keys + slice * LANES;
  auto slice_queries = queries + slice * LANES;
  const long state = (batch * channels + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;
  // The thread of a slice below STATES folds the maps of that state of its channel, and has its rate.
  const bool folds = in_range && slice < STATES;
  const auto rates_in = A + static_cast<long>(channel) * N + slice;
  if (slice < STATES) {
    lane_rates[slice * LANES] = folds && slice < N ? static_cast<float>(rates_in[0]) : 0.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  for (long tile = 0; tile < tiles; ++tile) {
    const long saved = (batch * tiles + tile) * N * channels + channel;
    const long saved_next = saved + static_cast<long>(N) * channels;
    const long carried = batch * N * channels + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));

    // Steps past the end have delta = 0 and are the identity: they leave the state as it is.
    float time[STEPS];
    float drive[STEPS];
    float sum[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    // All loads before the first division, whose branches would keep them in order.
    const long slice_at = first * channels + channel;
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      time[i] = live ? static_cast<float>(delta[slice_at + static_cast<long>(i) * channels]) + bias : 0.0f;
      drive[i] = live ? static_cast<float>(u[slice_at + static_cast<long>(i) * channels]) : 0.0f;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      time[i] = SOFTPLUS && in_range && i < steps ? softplus(time[i]) : time[i];
      sum[i] = skip * drive[i];
      drive[i] *= time[i];
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    for (int n = 0; n < N; n += STATES) {
      const bool folds_state = folds && n + slice < N;
      const long at = static_cast<long>(n + slice) * channels;
      float entry = 0.0f;
      float rest = 0.0f;
      if (folds_state && tile > 0) {
        entry = tile_state[saved + at];
        rest = tile_rest[carried + at];
      } else if (folds_state) {
        entry = HAS_INITIAL_STATE ? initial_state[state + n + slice] : 0.0f;
        tile_state[saved + at] = entry;
      }
      if (n % WIDE == 0) {
        const bool live = lane / WIDE < steps && n + lane % WIDE < N;
        const long shared_at = (first + lane / WIDE) * N + n + lane % WIDE;
        simdgroup_barrier(mem_flags::mem_threadgroup);
        slice_keys[lane] = scan_load(B, shared_at, live);
        slice_queries[lane] = scan_load(C, shared_at, live);
        simdgroup_barrier(mem_flags::mem_threadgroup);
      }
      const auto round_keys = slice_keys + n % WIDE;
      const auto round_queries = slice_queries + n % WIDE;

      float gate[STEPS][STATES];
#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        const float rate = lane_rates[k * LANES];
        const float rate_log2 = rate * M_LOG2E_F;
        float local = 0.0f;
#pragma clang loop unroll(full)
        for (int i = 0; i < STEPS; ++i) {
          gate[i][k] = scan_gate(time[i], rate_log2, forgets[i]);
          local = scan_apply<HAS_RESET>(gate[i][k], drive[i] * round_keys[i * WIDE + k], local);
        }
        const int map = (k * SLICES + slice) * LANES;
        lane_decay[map] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
        lane_value[map] = local;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      if (slice < STATES) {
#pragma clang loop unroll(full)
        for (int s = 0; s < SLICES; ++s) {
          const int map = (slice * SLICES + s) * LANES;
          const float value = lane_value[map];
          lane_value[map] = entry + rest;
          decay_carry<HAS_RESET>(entry, rest, lane_decay[map], value);
        }
        sum_settle(entry, rest);
        if (folds_state) {
          tile_rest[carried + at] = rest;
          if (tile + 1 < tiles) {
            tile_state[saved_next + at] = entry;
          } else {
            final_state[state + n + slice] = entry;
          }
        }
        const int next = n + STATES < N ? n + STATES : 0;
        lane_rates[slice * LANES] = folds && next + slice < N ? static_cast<float>(rates_in[next]) : 0.0f;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        float h = lane_value[(k * SLICES + slice) * LANES];
#pragma clang loop unroll(full)
        for (int i = 0; i < STEPS; ++i) {
          h = scan_apply<HAS_RESET>(gate[i][k], drive[i] * round_keys[i * WIDE + k], h);
          sum[i] = fma(round_queries[i * WIDE + k], h, sum[i]);
        }
      }
    }

    float opened[STEPS];
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const bool live = HAS_Z && in_range && i < steps;
      opened[i] = live ? static_cast<float>(z[slice_at + static_cast<long>(i) * channels]) : 0.0f;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const float result = HAS_Z ? sum[i] * opened[i] * sigmoid(opened[i]) : sum[i];
      if (in_range && i < steps) {
        y[slice_at + static_cast<long>(i) * channels] = static_cast<U>(result);
      }
    }
  }
}
