// selective_scan forward for few states a channel, up to SLICES * STATES, on a GPU: h[t] = exp(delta[t] A) o
// h[t-1] + delta[t] u[t] (x) B[t], y[t] = h[t] C[t], then + D u[t] and * silu(z[t]) where these are given,
// each channel on its own; delta[t] may first get delta_bias and softplus. u, delta, z, y are [B, L, D], A
// [D, N], B, C [B, L, N], D and delta_bias [D]; h[-1] is initial_state [B, D, N] or 0. Gu and Dao 2023,
// Mamba, arXiv:2312.00752, alg. 2.
//
// A thread walks over time with STATES states of a channel in registers, and SLICES lanes side by side have a
// channel's: they add up y among themselves, as many steps at a time. A threadgroup of SIMDGROUPS shares what
// is given for a tile of 32 steps, and stores their y, with neighbouring channels side by side. What enters
// the next tile is decayed by the exponential of the sum of delta, so that gates are rounded for a tile only;
// tile_state keeps what enters every KEPT steps for the backward pass.
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
    int SIMDGROUPS,
    int SLICES,
    int STATES,
    int KEPT,
    bool AHEAD,
    bool SOFTPLUS,
    bool HAS_D,
    bool HAS_Z,
    bool HAS_DELTA_BIAS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void selective_scan_forward_small(
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
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int TILE = 32;
  constexpr int THREADS = SIMDGROUPS * 32;
  constexpr int CHANNELS = THREADS / SLICES;
  // What a thread takes from device memory of a tile: SLICES rows of channels at once, and of B and C.
  constexpr int OWN = TILE / SLICES;
  constexpr int SLOTS = SLICES * STATES;
  constexpr int SHARE = (TILE * SLOTS + THREADS - 1) / THREADS;
  // The padding keeps lanes that store y in different banks.
  constexpr int STRIDE = CHANNELS + 32 / SLICES;
  static_assert(KEPT % TILE == 0, "a state is kept between tiles");
  static_assert(32 % SLICES == 0, "the slices of a channel must lie within a simdgroup");
  threadgroup float2 inputs[TILE * CHANNELS];
  threadgroup float keys[TILE * SLOTS * 2];
  threadgroup float sums[TILE * STRIDE];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int thread_index = simdgroup * 32 + lane;
  const long batch = threadgroup_position_in_grid.z;
  const int first_channel = threadgroup_position_in_grid.x * CHANNELS;
  const int tiles = (L + TILE - 1) / TILE;
  const int kept_states = (L + KEPT - 1) / KEPT;

  // What it fetches and stores is of one channel, what it walks with of another.
  const int row = thread_index / CHANNELS;
  const int column = thread_index % CHANNELS;
  const int given_channel = first_channel + column;
  const bool gives = given_channel < channels;
  const long given_at = batch * L * channels + (gives ? given_channel : 0);
  const float bias = HAS_DELTA_BIAS && gives ? static_cast<float>(delta_bias[given_channel]) : 0.0f;
  const float skip = HAS_D && gives ? static_cast<float>(D[given_channel]) : 0.0f;
  const int slice = lane % SLICES;
  const int own = thread_index / SLICES;
  const int channel = first_channel + own;
  const int held = channel < channels ? N - slice * STATES : 0;
  const long state = (batch * channels + (channel < channels ? channel : 0)) * N + slice * STATES;

  float rate[STATES];
  float rate_log2[STATES];
  float entry[STATES];
  float rest[STATES];
  states_load<STATES>(
      entry, initial_state + (HAS_INITIAL_STATE ? state : 0), 1, HAS_INITIAL_STATE ? held : 0);
#pragma clang loop unroll(full)
  for (int k = 0; k < STATES; ++k) {
    rate[k] = k < held ? static_cast<float>(A[static_cast<long>(channel) * N + slice * STATES + k]) : 0.0f;
    rate_log2[k] = rate[k] * M_LOG2E_F;
    rest[k] = 0.0f;
  }

  scan_given<OWN, Delta, U, Z> given;
  scan_rows<SHARE, TypeB> own_B;
  scan_rows<SHARE, TypeC> own_C;
  // If AHEAD, the next tile's numbers are on their way while a tile is worked on.
  const scan_place start = {channels, SLICES, row, gives ? L : 0};
  if (AHEAD) {
    scan_fetch_given<HAS_Z>(given, delta + given_at, u + given_at, z + given_at, start);
    scan_fetch_slots<SLOTS, THREADS>(own_B, B + batch * L * N, N, L, thread_index);
    scan_fetch_slots<SLOTS, THREADS>(own_C, C + batch * L * N, N, L, thread_index);
  }

  float skipped[OWN];
  float opened[OWN];
  for (int tile = 0; tile < tiles; ++tile) {
    const int first = tile * TILE;
    const int steps = min(TILE, L - first);
    if (!AHEAD) {
      const long at = given_at + static_cast<long>(first) * channels;
      const scan_place place = {channels, SLICES, row, gives ? steps : 0};
      const long shared_at = (batch * L + first) * N;
      scan_fetch_given<HAS_Z>(given, delta + at, u + at, z + at, place);
      scan_fetch_slots<SLOTS, THREADS>(own_B, B + shared_at, N, steps, thread_index);
      scan_fetch_slots<SLOTS, THREADS>(own_C, C + shared_at, N, steps, thread_index);
    }
    // Steps past the end have delta = 0 and are the identity: they leave the state as it is.
#pragma clang loop unroll(full)
    for (int j = 0; j < OWN; ++j) {
      const int t = j * SLICES + row;
      const bool live = gives && t < steps;
      const float shifted = static_cast<float>(given.delta.at[j]) + bias;
      const float time = live ? (SOFTPLUS ? softplus(shifted) : shifted) : 0.0f;
      const float input = static_cast<float>(given.u.at[j]);
      inputs[t * CHANNELS + column] = float2(time, time * input);
      skipped[j] = skip * input;
      opened[j] = HAS_Z ? static_cast<float>(given.z.at[j]) : 0.0f;
    }
#pragma clang loop unroll(full)
    for (int j = 0; j < SHARE; ++j) {
      const int slot = j * THREADS + thread_index;
      const int at = slot / STATES * 2 * STATES + slot % STATES;
      if (TILE * SLOTS % THREADS == 0 || slot < TILE * SLOTS) {
        keys[at] = static_cast<float>(own_B.at[j]);
        keys[at + STATES] = static_cast<float>(own_C.at[j]);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    if (AHEAD && tile + 1 < tiles) {
      const long at = given_at + static_cast<long>(first + TILE) * channels;
      const scan_place place = {channels, SLICES, row, gives ? L - first - TILE : 0};
      const long shared_at = (batch * L + first + TILE) * N;
      scan_fetch_given<HAS_Z>(given, delta + at, u + at, z + at, place);
      scan_fetch_slots<SLOTS, THREADS>(own_B, B + shared_at, N, L - first - TILE, thread_index);
      scan_fetch_slots<SLOTS, THREADS>(own_C, C + shared_at, N, L - first - TILE, thread_index);
    }
    if (tile % (KEPT / TILE) == 0) {
      const long kept = (batch * kept_states + tile / (KEPT / TILE)) * N + slice * STATES;
      states_store<STATES>(entry, tile_state + kept * channels + channel, channels, held);
    }

    float h[STATES];
    float local[STATES];
#pragma clang loop unroll(full)
    for (int k = 0; k < STATES; ++k) {
      h[k] = entry[k] + rest[k];
      local[k] = 0.0f;
    }
    float total_time = 0.0f;
    bool forgets_any = false;
    // Registers hold the steps of a whole tile where they hold the next one's numbers too.
#pragma clang loop unroll(full)
    for (int c = 0; c < (AHEAD ? TILE : steps); c += SLICES) {
      float parts[SLICES];
#pragma clang loop unroll(full)
      for (int i = 0; i < SLICES; ++i) {
        const int t = c + i;
        const bool forgets = HAS_RESET && t < steps && reset[batch * L + first + t];
        const float2 input = inputs[t * CHANNELS + own];
        const auto own_keys = keys + (t * SLICES + slice) * 2 * STATES;
        parts[i] = 0.0f;
#pragma clang loop unroll(full)
        for (int k = 0; k < STATES; ++k) {
          const float gate = scan_gate(input.x, rate_log2[k], forgets);
          const float added = input.y * own_keys[k];
          h[k] = scan_apply<HAS_RESET>(gate, added, h[k]);
          local[k] = scan_apply<HAS_RESET>(gate, added, local[k]);
          parts[i] = fma(own_keys[STATES + k], h[k], parts[i]);
        }
        total_time += input.x;
        forgets_any = forgets_any || forgets;
      }
      sums[(c + slice) * STRIDE + own] = simd_sums<SLICES, SLICES / 2>(parts, lane);
    }
#pragma clang loop unroll(full)
    for (int k = 0; k < STATES; ++k) {
      const float decay = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate[k]);
      decay_carry<HAS_RESET>(entry[k], rest[k], decay, local[k]);
      sum_settle(entry[k], rest[k]);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

#pragma clang loop unroll(full)
    for (int j = 0; j < OWN; ++j) {
      const int t = j * SLICES + row;
      const float sum = sums[t * STRIDE + column] + skipped[j];
      const float result = HAS_Z ? sum * opened[j] * sigmoid(opened[j]) : sum;
      if (gives && t < steps) {
        y[given_at + static_cast<long>(first + t) * channels] = static_cast<U>(result);
      }
    }
  }
  states_store<STATES>(entry, final_state + state, 1, held);
}
