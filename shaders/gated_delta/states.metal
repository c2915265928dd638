// gated_delta forward, from chunk to chunk of 32 steps: e = x + N (beta o x), where x = v - upto o (S
// keys), are the errors v[t] - S r[t] of a chunk that the state S enters, r the erase or else the write
// key, and S = decay o S + sum over the chunk of keys[t] (x) onward[t] e[t]; inverse, which is N, keys, the
// rates upto, beta and onward, and decay are as prepare.metal makes them. S starts as initial_state or 0.
// Each S that enters a chunk is kept, but a 0 before other chunks is not. Yang et al. 2024,
// arXiv:2412.06464, section 3.3.
//
// A simdgroup owns 8 * WIDE values and 8 * TALL keys of their state, a threadgroup all keys. ALONE keeps
// the last state only, beside the transition: what becomes of the identity where v is 0, by threadgroups
// after those of the values.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/steps.h"
#include "../common/walk.h"
#include "../common/walk_keys.h"

using namespace metal;

template <
    typename TW,
    typename TV,
    typename TS,
    typename TU,
    int Dk,
    int Dv,
    int H,
    int KEY_HEADS,
    int WIDE,
    int TALL,
    int KINDS,
    bool PER_KEY,
    bool AHEAD,
    bool ALONE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gated_delta_states(
    const device float* inverse,        // [B, H, CHUNKS, 12, 8, 8]
    const device TW* keys,              // [B, KEY_HEADS, CHUNKS, KINDS, 4, KEYS / 8, 8, 8]
    const device float* rates,          // [B, H, CHUNKS, 3, 32]
    const device float* decay,          // [B, H, CHUNKS, 2, DECAYS]
    const device TV* v,                 // [B, L, H, Dv]
    const device float* initial_state,  // [B, H, Dv, Dk]
    const device bool* reset,           // [B, L]
    device TS* chunk_state,             // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or [1]
    device TU* error,                   // [B, L, H, Dv] or [1]
    device float* transition,           // [1] or [B, H, Dk, Dk]
    device float* final_state,          // [B, H, Dv, Dk]
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int DECAYS = PER_KEY ? KEYS : 1;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr bool WHOLE_ROWS = !ALONE && Dv % (WIDE * 8) == 0;
  constexpr int GROUPS = (Dv + WIDE * 8 - 1) / (WIDE * 8);
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int SUMS = SIMDGROUPS > 1 ? SIMDGROUPS * TILE_BLOCKS * WIDE * 32 : 1;
  static_assert(
      (2 * SUMS + SIMDGROUPS * (8 * TILE_STRIDE + 3 * TILE)) * 4 <= 32768, "a threadgroup has 32 KiB");
  threadgroup float2 sums[SUMS];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[SIMDGROUPS * 3 * TILE];

  const int L = v_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int group = threadgroup_position_in_grid.x;
  const bool moves = ALONE && group >= GROUPS;
  const int value = (moves ? group - GROUPS : group) * WIDE * 8;
  const int rows = moves ? Dk : Dv;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const int chunks = (L + TILE - 1) / TILE;
  const int unkept = HAS_INITIAL_STATE ? 0 : min(1, chunks - 1);
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const long corner = (state * rows + value) * Dk + key;
  const bool enters = HAS_INITIAL_STATE && !moves;
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;
  if (group == 0 && state == 0 && simdgroup == 0 && lane == 0) {
    if (ALONE) {
      chunk_state[0] = static_cast<TS>(0.0f);
      error[0] = static_cast<TU>(0.0f);
    } else {
      transition[0] = 0.0f;
    }
  }

  auto own_weights = weights + simdgroup * 3 * TILE;
  const steps_place place = steps_placed(scratch, lane);
  walk_state<WIDE, TALL> S;
  walk_state<WIDE, TALL> rest_of_S;
  walk_clear<WIDE, TALL>(rest_of_S);
  walk_begin<WIDE, TALL>(
      S, initial_state + (enters ? corner : 0), Dk, enters ? Dk - key : 0, Dv - value, scratch, lane);
  if (moves) {
    walk_add_identity<WIDE, TALL>(S, key - value, place);
  }

  // A chunk's numbers are on their way while the chunk before it is worked on, if AHEAD.
  const int owned = (KEYS - key) / 8;
  const int wide = moves ? 0 : Dv - value;
  const long key_head = static_cast<long>(batch) * KEY_HEADS + head / (H / KEY_HEADS);
  auto read_keys = keys + key_head * chunks * KINDS * TILE * KEYS + key / 8 * BLOCK;
  auto write_keys = read_keys + (KINDS - 1) * TILE * KEYS;
  auto kept_state =
      chunk_state + ((state * (chunks - unkept) * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
  auto chunk_inverse = inverse + state * chunks * LOWER_SIZE;
  auto chunk_decay = decay + state * chunks * 2 * DECAYS + (PER_KEY ? key : 0);
  const long begins = sequence * H + head;
  auto chunk_values = v + begins * Dv + value;
  auto chunk_errors = error + begins * Dv + value;
  auto chunk_rates = rates + state * chunks * 3 * TILE + lane;
  walk_keys<TALL, TW> reads;
  steps_lower solve;
  steps_share<WIDE, SIMDGROUPS, TV> given;
  walk_decays<PER_KEY, TALL> fading;
  if (AHEAD) {
    walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    steps_fetch_lower<true>(solve, chunk_inverse);
    steps_fetch_share<WIDE, SIMDGROUPS, WHOLE_ROWS, TV>(
        given, chunk_values, H * Dv, wide, L, simdgroup, place);
    walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
  }
  float own_rates[3];
  if (AHEAD) {
    steps_fetch_rates(own_rates, chunk_rates);
  }

  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int steps = min(TILE, L - chunk * TILE);
    const int rest = L - (chunk + 1) * TILE;
    const bool more = rest > 0;
    auto resets = reset + (HAS_RESET ? sequence + chunk * TILE : 0);
    const bool carries = first_reset<HAS_RESET>(resets, steps) == steps;
    walk_keys<TALL, TW> writes;
    if (AHEAD) {
      walk_fetch<TALL, false, WHOLE_KEYS>(writes, write_keys, KEYS / 8, owned);
      write_keys += KINDS * TILE * KEYS;
    }
    if (!AHEAD) {
      steps_fetch_rates(own_rates, chunk_rates);
    }
    steps_keep_rates(own_weights, own_rates, lane);
    chunk_rates += 3 * TILE;
    if (AHEAD && more) {
      steps_fetch_rates(own_rates, chunk_rates);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    steps_values<WIDE> errors;
    if (!AHEAD) {
      walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    }
    walk_read<WIDE, TALL, TW>(errors, S, reads);
    // Stored while the product is on its way. A 0 that is not kept gives way to the state after it.
    if (!ALONE) {
      blocks_store<false, WHOLE, TS>(S.at, kept_state, VALUES / 8, owned, (VALUES - value) / 8);
      kept_state += chunk < unkept ? 0 : KEYS * VALUES;
    }
    read_keys += KINDS * TILE * KEYS;
    walk_decays<PER_KEY, TALL> coming = fading;
    if (AHEAD && more) {
      walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    }
    if (AHEAD && more && !PER_KEY) {
      walk_fetch_decays<PER_KEY, TALL>(coming, chunk_decay + 2 * DECAYS, DECAYS, owned, place);
    }

    // What the chunk would err by if its own steps wrote nothing, then what it does.
    steps_scale<WIDE, HAS_RESET>(errors, own_weights, place);
    if (!AHEAD) {
      steps_fetch_share<WIDE, SIMDGROUPS, WHOLE_ROWS, TV>(
          given, chunk_values, H * Dv, wide, rest + TILE, simdgroup, place);
    }
    steps_miss<WIDE, SIMDGROUPS, TV>(errors, given, simdgroup);
    chunk_values += TILE * H * Dv;
    if (AHEAD && more) {
      steps_fetch_share<WIDE, SIMDGROUPS, WHOLE_ROWS, TV>(
          given, chunk_values, H * Dv, wide, rest, simdgroup, place);
    }
    walk_sum<WIDE, SIMDGROUPS>(errors, sums, simdgroup, lane);
    steps_values<WIDE> written = errors;
    steps_scale<WIDE, HAS_RESET>(written, own_weights + TILE, place);
    if (!AHEAD) {
      steps_fetch_lower<true>(solve, chunk_inverse);
    }
    steps_mix<WIDE, false, HAS_RESET>(errors, written, solve, resets, steps, place);
    chunk_inverse += LOWER_SIZE;
    if (AHEAD && more) {
      steps_fetch_lower<true>(solve, chunk_inverse);
    }
    if (!ALONE && simdgroup == 0) {
      steps_store<WIDE, WHOLE_ROWS, TU>(errors, chunk_errors, H * Dv, wide, steps, place);
    }
    chunk_errors += TILE * H * Dv;

    steps_scale<WIDE, HAS_RESET>(errors, own_weights + 2 * TILE, place);
    if (!AHEAD) {
      walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
    }
    walk_fade<WIDE, TALL, PER_KEY>(S, rest_of_S, fading, carries);
    chunk_decay += 2 * DECAYS;
    fading = coming;
    if (AHEAD && more && PER_KEY) {
      walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
    }
    if (!AHEAD) {
      walk_fetch<TALL, false, WHOLE_KEYS>(writes, write_keys, KEYS / 8, owned);
      write_keys += KINDS * TILE * KEYS;
    }
    walk_write<WIDE, TALL, HAS_RESET, TW>(
        rest_of_S, errors, writes, last_reset<HAS_RESET>(resets, steps), TILE, place);
    walk_settle<WIDE, TALL>(S, rest_of_S);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  auto last_state = moves ? transition : final_state;
  walk_end<WIDE, TALL>(S, last_state + corner, Dk, Dk - key, rows - value, scratch, lane);
}
