// ssd forward: h[t] = exp(delta[t] * A) o h[t-1] + delta[t] * u[t] (x) B[t], y[t] = h[t] C[t], each head and
// channel on its own. u, y are [B, L, H, Dh], delta [B, L, H], B, C [B, L, G, N] with H / G heads a group,
// A [H, N] or [H]; h[-1] is initial_state [B, H, Dh, N] or 0. Dao and Gu 2024, Transformers are SSMs,
// arXiv:2405.21060, eq. 2, with a decay for each state.
//
// A threadgroup owns LANES channels of one head and walks over time in tiles of SLICES x STEPS, as rglru's
// does, once for each of the N states. Between tiles the states wait in tile_state, so N is not bounded.
#include <metal_stdlib>

#include "../common/decay.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeB,
    typename TypeC,
    typename TypeA,
    int LANES,
    int SLICES,
    int STEPS,
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
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES == 32, "LANES must be a simdgroup, because the lanes share the gates of their slice");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(STEPS < LANES, "a lane makes the gate of a step, and one their product");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[2 * SLICES * LANES];
  threadgroup float slice_b[2 * SLICES * LANES];

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
  const int slot = slice * LANES + lane;
  const long group = head / (H / G);
  const long state = ((batch * H + head) * Dh + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;

  int buffer = 0;
  for (long tile = 0; tile < tiles; ++tile) {
    const long saved = ((batch * tiles + tile) * H + head) * N * Dh + channel;
    const long saved_next = saved + static_cast<long>(H) * N * Dh;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + (first * G + group) * N;
    const auto C_slice = C + (first * G + group) * N;

    // The gates of a slice are alike for all channels: lane i makes that of step i, lane STEPS their product.
    const bool has_step = lane < steps;
    const bool lane_forgets = HAS_RESET && has_step && reset[first + lane];
    const bool slice_forgets = HAS_RESET && simd_max(lane_forgets ? 1.0f : 0.0f) > 0.0f;
    const float lane_time = has_step ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
    const float slice_time = simd_sum(lane_time);
    const float gate_time = lane < STEPS ? lane_time : slice_time;
    const bool gate_forgets = lane < STEPS ? lane_forgets : slice_forgets;

    // Steps past the end are the identity (1, 0): they leave the state as it is.
    float time[STEPS];
    float drive[STEPS];
    float sum[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      const bool live = i < steps;
      const long at = (first + i) * H + head;
      time[i] = simd_broadcast(lane_time, static_cast<ushort>(i));
      drive[i] = live && in_range ? time[i] * static_cast<float>(u[at * Dh + channel]) : 0.0f;
      sum[i] = 0.0f;
    }

    for (int n = 0; n < N; ++n) {
      const float rate = static_cast<float>(A[A_PER_STATE ? head * N + n : head]);
      const float lane_gate = gate_forgets ? 0.0f : decay_of(gate_time * rate);
      float gate[STEPS];
      float value[STEPS];
      float local = 0.0f;
      // Unrolled by name: long loops else keep their arrays in memory.
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const bool live = i < steps;
        gate[i] = simd_broadcast(lane_gate, static_cast<ushort>(i));
        value[i] = live ? drive[i] * static_cast<float>(B_slice[i * G * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }

      // Two buffers in turn: one barrier a state keeps writers of the next off those who still read.
      buffer = SLICES * LANES - buffer;
      slice_a[buffer + slot] = simd_broadcast(lane_gate, STEPS);
      slice_b[buffer + slot] = local;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = saved + static_cast<long>(n) * Dh;
      float h = 0.0f;
      if (in_range && tile > 0) {
        h = tile_state[at];
      } else if (in_range) {
        h = HAS_INITIAL_STATE ? initial_state[state + n] : 0.0f;
        if (slice == 0) {
          tile_state[at] = h;
        }
      }
      h = decay_fold<HAS_RESET>(slice_a + buffer + lane, slice_b + buffer + lane, LANES, slice, h);
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        sum[i] = i < steps ? fma(static_cast<float>(C_slice[i * G * N + n]), h, sum[i]) : 0.0f;
      }
      if (in_range && slice == SLICES - 1) {
        if (tile + 1 < tiles) {
          tile_state[saved_next + static_cast<long>(n) * Dh] = h;
        } else {
          final_state[state + n] = h;
        }
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        y[((first + i) * H + head) * Dh + channel] = static_cast<U>(sum[i]);
      }
    }
  }
}
