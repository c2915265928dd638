// selective_scan forward: h[t] = exp(delta[t] A) o h[t-1] + delta[t] u[t] (x) B[t], y[t] = h[t] C[t], then +
// D u[t] and * silu(z[t]) where these are given, each channel on its own; delta[t] may first get delta_bias
// and softplus. u, delta, z, y are [B, L, D], A [D, N], B, C [B, L, N], D and delta_bias [D]; h[-1] is
// initial_state [B, D, N] or 0. Gu and Dao 2023, Mamba, arXiv:2312.00752, alg. 2.
//
// A threadgroup owns LANES channels and walks over time in tiles of SLICES x STEPS, as rglru's does, once for
// each of the N states. Between tiles the states wait in tile_state, so N is not bounded.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"

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
  // A lane's own, by pointers: compilers for CPUs then see that lanes lie side by side.
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

    // Steps past the end have delta = 0 and are the identity: they leave the state as it is.
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
      // Unrolled by name: long loops else keep their arrays in memory.
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        gate[i] = forgets[i] ? 0.0f : decay_of(time[i] * rate);
        value[i] = i < steps ? drive[i] * static_cast<float>(B_slice[i * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }

      // Two buffers in turn: one barrier a state keeps writers of the next off those who still read.
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
