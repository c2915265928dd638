// selective_scan forward: h[t] = exp(delta[t] A) o h[t-1] + delta[t] u[t] (x) B[t], y[t] = h[t] C[t], then +
// D u[t] and * silu(z[t]) where these are given, each channel on its own; delta[t] may first get delta_bias
// and softplus. u, delta, z, y are [B, L, D], A [D, N], B, C [B, L, N], D and delta_bias [D]; h[-1] is
// initial_state [B, D, N] or 0. Gu and Dao 2023, Mamba, arXiv:2312.00752, alg. 2.
//
// A threadgroup owns LANES channels and walks over time, a thread with STATES states of a channel in
// registers, a slice of threads with the same ones. Slices take turns in preparing the steps of a TILE and in
// adding up y, STEPS steps at a time. What enters the next tile is decayed by the exponential of the sum of
// delta, so that gates are rounded for a tile only; tile_state keeps what enters every KEPT steps for the
// backward pass, and in `waiting` states wait for their turn where the slices have too few.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"
#include "../common/states.h"
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
    int TILE,
    int KEPT,
    bool AHEAD,
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
    device float* tile_state,           // [B, cdiv(L, KEPT), N, D]
    device float* waiting,              // [B, 2, N, D]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(TILE == LANES, "each lane loads B and C of a step of a tile");
  static_assert(LANES == 32, "a slice must be a simdgroup, for which it waits");
  static_assert(KEPT % TILE == 0, "a state is kept between tiles");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(TILE % STEPS == 0 && STEPS % SLICES == 0, "each slice adds up as many of STEPS steps");
  constexpr int OWN = TILE / SLICES;
  threadgroup float times[TILE * LANES];
  threadgroup float drives[TILE * LANES];
  threadgroup float keys[SLICES * TILE * STATES];
  threadgroup float queries[SLICES * TILE * STATES];
  threadgroup float parts[2 * SLICES * STEPS * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < channels;
  const int own_channel = in_range ? channel : 0;
  // A lane's own, by pointers: compilers for CPUs then see that lanes lie side by side.
  auto lane_times = times + lane;
  auto lane_drives = drives + lane;
  auto lane_parts = parts + lane;
  auto slice_keys = keys + slice * TILE * STATES;
  auto slice_queries = queries + slice * TILE * STATES;
  const long state = (batch * channels + own_channel) * N;
  const long plane = static_cast<long>(N) * channels;
  const long waits_at = batch * 2 * plane + own_channel;
  const long tiles = (L + TILE - 1) / TILE;
  const long kept_states = (L + KEPT - 1) / KEPT;
  const bool waits = N > SLICES * STATES;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;

  // A tile's numbers are on their way while the tile before it is worked on, if AHEAD.
  scan_given<OWN, Delta, U, Z> given;
  scan_rows<STATES, TypeB> own_B;
  scan_rows<STATES, TypeC> own_C;
  if (AHEAD) {
    const long at = batch * L * channels + own_channel;
    const scan_place place = {channels, SLICES, slice, in_range ? L : 0};
    scan_fetch_given<HAS_Z>(given, delta + at, u + at, z + at, place);
    scan_fetch_row(own_B, B, batch * L + lane, N, slice * STATES, lane < L);
    scan_fetch_row(own_C, C, batch * L + lane, N, slice * STATES, lane < L);
  }

  float rate[STATES];
  float entry[STATES];
  float rest[STATES];
  int buffer = 0;
  for (long tile = 0; tile < tiles; ++tile) {
    const long first = batch * L + tile * TILE;
    const int steps = static_cast<int>(min(static_cast<long>(TILE), batch * L + L - first));
    const bool keeps = tile % (KEPT / TILE) == 0;
    const long saved = (batch * kept_states + tile / (KEPT / TILE)) * plane + own_channel;
    if (!AHEAD) {
      const long at = first * channels + own_channel;
      const scan_place place = {channels, SLICES, slice, in_range ? steps : 0};
      scan_fetch_given<HAS_Z>(given, delta + at, u + at, z + at, place);
    }

    // Steps past the end have delta = 0 and are the identity: they leave the state as it is.
    float sum[OWN];
    float opened[OWN];
#pragma clang loop unroll(full)
    for (int j = 0; j < OWN; ++j) {
      const int t = j * SLICES + slice;
      const bool live = in_range && t < steps;
      const float shifted = static_cast<float>(given.delta.at[j]) + bias;
      const float time = live ? (SOFTPLUS ? softplus(shifted) : shifted) : 0.0f;
      const float input = static_cast<float>(given.u.at[j]);
      lane_times[t * LANES] = time;
      lane_drives[t * LANES] = time * input;
      sum[j] = skip * input;
      opened[j] = HAS_Z ? static_cast<float>(given.z.at[j]) : 0.0f;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (AHEAD && tile + 1 < tiles) {
      const long at = (first + TILE) * channels + own_channel;
      const int left = L - (static_cast<int>(tile) + 1) * TILE;
      const scan_place place = {channels, SLICES, slice, in_range ? left : 0};
      scan_fetch_given<HAS_Z>(given, delta + at, u + at, z + at, place);
    }

    for (int round = 0; round < N; round += SLICES * STATES) {
      const int n = round + slice * STATES;
      const int held = in_range ? N - n : 0;
      const auto kept = tile_state + saved + static_cast<long>(n) * channels;
      const auto waiting_entry = waiting + waits_at + static_cast<long>(n) * channels;
      const auto waiting_rest = waiting_entry + plane;
      if (tile == 0) {
        states_load<STATES>(entry, initial_state + state + n, 1, HAS_INITIAL_STATE ? held : 0);
        states_load<STATES>(rest, initial_state, 1, 0);
      } else if (waits) {
        states_load<STATES>(entry, waiting_entry, channels, held);
        states_load<STATES>(rest, waiting_rest, channels, held);
      }
      if (keeps) {
        states_store<STATES>(entry, kept, channels, held);
      }
#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        if (tile == 0 || waits) {
          rate[k] = k < held ? static_cast<float>(A[static_cast<long>(channel) * N + n + k]) : 0.0f;
        }
        const bool ahead = AHEAD && round == 0;
        const bool live = lane < steps && n + k < N;
        const long shared_at = (first + lane) * N + n + k;
        slice_keys[lane * STATES + k] =
            ahead ? static_cast<float>(own_B.at[k]) : scan_load(B, shared_at, live);
        slice_queries[lane * STATES + k] =
            ahead ? static_cast<float>(own_C.at[k]) : scan_load(C, shared_at, live);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      if (AHEAD && round + SLICES * STATES >= N && tile + 1 < tiles) {
        const int t = TILE + lane;
        const bool live = tile * TILE + t < L;
        scan_fetch_row(own_B, B, first + t, N, slice * STATES, live);
        scan_fetch_row(own_C, C, first + t, N, slice * STATES, live);
      }

      float rate_log2[STATES];
      float h[STATES];
      float local[STATES];
#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        rate_log2[k] = rate[k] * M_LOG2E_F;
        h[k] = entry[k] + rest[k];
        local[k] = 0.0f;
      }
      float total_time = 0.0f;
      bool forgets_any = false;
#pragma clang loop unroll(full)
      for (int c = 0; c < TILE; c += STEPS) {
        if (c < steps) {
          // Two buffers in turn: one barrier keeps writers of the next off those who still read.
          auto own_parts = lane_parts + buffer * SLICES * STEPS * LANES;
          buffer = 1 - buffer;
#pragma clang loop unroll(full)
          for (int i = 0; i < STEPS; ++i) {
            const int t = c + i;
            const bool forgets = HAS_RESET && t < steps && reset[first + t];
            const float time = lane_times[t * LANES];
            const float drive = lane_drives[t * LANES];
            float y_part = 0.0f;
#pragma clang loop unroll(full)
            for (int k = 0; k < STATES; ++k) {
              const float gate = scan_gate(time, rate_log2[k], forgets);
              const float added = drive * slice_keys[t * STATES + k];
              h[k] = scan_apply<HAS_RESET>(gate, added, h[k]);
              local[k] = scan_apply<HAS_RESET>(gate, added, local[k]);
              y_part = fma(slice_queries[t * STATES + k], h[k], y_part);
            }
            own_parts[(slice * STEPS + i) * LANES] = y_part;
            total_time += time;
            forgets_any = forgets_any || forgets;
          }
          threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
          for (int j = 0; j < STEPS / SLICES; ++j) {
#pragma clang loop unroll(full)
            for (int s = 0; s < SLICES; ++s) {
              sum[c / SLICES + j] += own_parts[(s * STEPS + j * SLICES + slice) * LANES];
            }
          }
        }
      }

#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        const float decay = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate[k]);
        decay_carry<HAS_RESET>(entry[k], rest[k], decay, local[k]);
        sum_settle(entry[k], rest[k]);
      }
      const bool last = tile + 1 == tiles;
      if (waits || last) {
        states_store<STATES>(entry, waiting_entry, channels, held);
        states_store<STATES>(rest, waiting_rest, channels, held);
      }
      if (last) {
        states_store<STATES>(entry, final_state + state + n, 1, held);
      }
    }

#pragma clang loop unroll(full)
    for (int j = 0; j < OWN; ++j) {
      const int t = j * SLICES + slice;
      const float result = HAS_Z ? sum[j] * opened[j] * sigmoid(opened[j]) : sum[j];
      if (in_range && t < steps) {
        y[(first + t) * channels + channel] = static_cast<U>(result);
      }
    }
  }
}
