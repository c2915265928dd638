// gated_delta forward, from chunk to chunk of 32 steps: e = values - read S are the errors v[t] - S k[t] of a
// chunk that the state S enters, and S = decay o S + sum over the chunk of write[t] (x) rates[t] e[t], where
// values, read, write, rates and decay are as prepare.metal makes them. S starts as initial_state or 0; it is
// kept by key here. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns 8 * WIDE values of one head, each of its simdgroups 8 * TALL keys of their state.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/walk.h"

using namespace metal;

template <
    typename TW,
    int Dk,
    int Dv,
    int H,
    int WIDE,
    int TALL,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gated_delta_states(
    const device float* read,           // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device TW* write,             // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* rates,          // [B, L, H]
    const device float* decay,          // [B, H, CHUNKS, KEYS]
    const device float* values,         // [B, L, H, Dv]
    const device float* initial_state,  // [B, H, Dv, Dk]
    const device bool* reset,           // [B, L]
    device float* chunk_state,          // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device float* error,                // [B, L, H, Dv]
    device float* final_state,          // [B, H, Dv, Dk]
    const constant int* values_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int PRODUCT = TILE * WALK_STRIDE<WIDE>;
  static_assert((SIMDGROUPS + 1) * PRODUCT * 4 <= 32768, "a threadgroup must not have more than 32 KiB");
  constexpr int THREADS = SIMDGROUPS * 32;
  constexpr int STEP = THREADS / (WIDE * 8);
  constexpr int OWN = (TILE + STEP - 1) / STEP;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float updates[PRODUCT];

  const int L = values_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const long corner = (state * Dv + value) * Dk + key;
  auto own = products + simdgroup * PRODUCT;

  walk_state<WIDE, TALL> S;
  walk_begin<WIDE, TALL>(
      S,
      initial_state + (HAS_INITIAL_STATE ? corner : 0),
      Dk,
      HAS_INITIAL_STATE ? Dk - key : 0,
      Dv - value,
      own,
      lane);

  // A chunk's numbers are on their way while the chunk before it is worked on.
  const int owned = (KEYS - key) / 8;
  const int own_row = (simdgroup * 32 + lane) / (WIDE * 8);
  const int column = lane % (WIDE * 8);
  const bool live = value + column < Dv;
  auto key_read = read + state * chunks * TILE * KEYS + key / 8 * BLOCK;
  auto key_write = write + state * chunks * TILE * KEYS + key / 8 * BLOCK;
  const long begins = (sequence + own_row) * H + head;
  const int along = live ? column : 0;
  auto chunk_values = values + begins * Dv + value + along;
  auto chunk_errors = error + begins * Dv + value + along;
  auto chunk_rates = rates + begins;
  walk_chunk<TALL> reads;
  walk_chunk<TALL, TW> writes;
  float given[OWN];
  float own_rates[OWN];
  walk_fetch<TALL, WHOLE_KEYS>(reads, key_read, KEYS / 8, owned);
  walk_fetch<TALL, WHOLE_KEYS>(writes, key_write, KEYS / 8, owned);
  walk_cells<STEP, OWN, float>(given, chunk_values, H * Dv, own_row, live ? L : 0);
  walk_cells<STEP, OWN, float>(own_rates, chunk_rates, H, own_row, L);

  const bool fades = lane < KEYS - key;
  auto key_decay = decay + state * chunks * KEYS + key + (fades ? lane : 0);
  float fading = fades ? *key_decay : 0.0f;

  for (int chunk = 0; chunk < chunks; ++chunk) {
    const bool more = chunk + 1 < chunks;
    const long entry = state * chunks + chunk;
    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    auto saved = chunk_state + ((entry * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    walk_save<WIDE, TALL, WHOLE>(S, saved, VALUES / 8, owned, (VALUES - value) / 8);
    walk_read<WIDE, TALL>(S, reads, own);
    key_read += TILE * KEYS;
    if (more) {
      walk_fetch<TALL, WHOLE_KEYS>(reads, key_read, KEYS / 8, owned);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // Before a reset errors meet the state that enters; what comes before the last does not leave.
    auto resets = reset + (HAS_RESET ? first : 0);
    const int met = first_reset<HAS_RESET>(resets, steps);
    const int begin = last_reset<HAS_RESET>(resets, steps);
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int row = own_row + n * STEP;
      const int cell = min(row, TILE - 1) * WALK_STRIDE<WIDE> + column;
      float known = 0.0f;
#pragma unroll
      for (int s = 0; s < SIMDGROUPS; ++s) {
        known += products[s * PRODUCT + cell];
      }
      const float e = row < met ? given[n] - known : given[n];
      const float u = own_rates[n] * e;
      if (live && row < steps) {
        chunk_errors[n * STEP * H * Dv] = e;
      }
      if (OWN * STEP == TILE || row < TILE) {
        updates[cell] = row >= begin ? u : 0.0f;
      }
    }
    chunk_values += TILE * H * Dv;
    chunk_errors += TILE * H * Dv;
    chunk_rates += TILE * H;
    if (more) {
      const int rest = L - (chunk + 1) * TILE;
      walk_cells<STEP, OWN, float>(given, chunk_values, H * Dv, own_row, live ? rest : 0);
      walk_cells<STEP, OWN, float>(own_rates, chunk_rates, H, own_row, rest);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    walk_decay<WIDE, TALL>(S, fading, met == steps, own, lane);
    key_decay += KEYS;
    if (more) {
      fading = fades ? *key_decay : 0.0f;
    }
    walk_write<WIDE, TALL, TILE / 8>(S, writes.steps, updates);
    key_write += TILE * KEYS;
    if (more) {
      walk_fetch<TALL, WHOLE_KEYS>(writes, key_write, KEYS / 8, owned);
    }
  }
  walk_end<WIDE, TALL>(S, final_state + corner, Dk, Dk - key, Dv - value, own, lane);
}
