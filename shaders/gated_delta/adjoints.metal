// gated_delta backward, from the last chunk of 32 steps to the first. What a chunk writes, u[t] = beta[t]
// (v[t] - S k[t]), has the gradient d = y + N^T (beta o y), where y = mixes^T grad_o + after o (G keys) and
// G is the adjoint of the state that leaves it. Then grad_v = beta d, and G = decay o G + sum over the
// chunk of upto[t] (scale * queries[t] (x) grad_o[t] - keys[t] (x) beta[t] d[t]); inverse, which is N, and
// decay are as prepare.metal makes them, the rates after, beta and upto and the rest as
// prepare_backward.metal does. G starts as grad_final_state. Yang et al. 2024, arXiv:2412.06464, section
// 3.3.
//
// A simdgroup owns 8 * WIDE values and 8 * TALL keys of their adjoint, a threadgroup all keys. ALONE keeps
// grad_initial_state only.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/steps.h"
#include "../common/walk.h"
#include "../common/walk_keys.h"

using namespace metal;

template <
    typename TWQ,
    typename TWK,
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
[[kernel]] void gated_delta_adjoints(
    const device float* inverse,           // [B, H, CHUNKS, 12, 8, 8]
    const device float* mixes,             // [B, H, CHUNKS, 12, 8, 8]
    const device TWQ* queries,             // [B, KEY_HEADS, CHUNKS, 4, KEYS / 8, 8, 8]
    const device TWK* keys,                // [B, KEY_HEADS, CHUNKS, KINDS, 4, KEYS / 8, 8, 8]
    const device float* rates,             // [B, H, CHUNKS, 3, 32]
    const device float* decay,             // [B, H, CHUNKS, 2, DECAYS]
    const device bool* reset,              // [B, L]
    const device float* scale,             // [1]
    const device TV* grad_o,               // [B, L, H, Dv]
    const device float* grad_final_state,  // [B, H, Dv, Dk]
    device TS* chunk_adjoint,              // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8] or [1]
    device TU* grad_update,                // [B, L, H, Dv] or [1]
    device TV* grad_v,                     // [B, L, H, Dv] or [1]
    device float* grad_initial_state,      // [B, H, Dv, Dk]
    const constant int* grad_o_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int DECAYS = PER_KEY ? KEYS : 1;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr bool WHOLE_ROWS = Dv % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int SUMS = SIMDGROUPS > 1 ? SIMDGROUPS * TILE_BLOCKS * WIDE * 32 : 1;
  static_assert(
      (2 * SUMS + SIMDGROUPS * (8 * TILE_STRIDE + 3 * TILE)) * 4 <= 32768, "a threadgroup has 32 KiB");
  threadgroup float2 sums[SUMS];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[SIMDGROUPS * 3 * TILE];

  const int L = grad_o_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const int chunks = (L + TILE - 1) / TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const long corner = (state * Dv + value) * Dk + key;
  const float factor = scale[0];
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;
  auto own_weights = weights + simdgroup * 3 * TILE;
  if (ALONE && corner == 0 && lane == 0) {
    chunk_adjoint[0] = static_cast<TS>(0.0f);
    grad_update[0] = static_cast<TU>(0.0f);
    grad_v[0] = static_cast<TV>(0.0f);
  }

  const steps_place place = steps_placed(scratch, lane);
  walk_state<WIDE, TALL> G;
  walk_state<WIDE, TALL> rest_of_G;
  walk_clear<WIDE, TALL>(rest_of_G);
  walk_begin<WIDE, TALL>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, scratch, lane);

  // A chunk's numbers are on their way while the chunk after it is worked on, if AHEAD.
  const int owned = (KEYS - key) / 8;
  const int wide = Dv - value;
  const long last = state * chunks + chunks - 1;
  const int rest = L - (chunks - 1) * TILE;
  const long key_head = static_cast<long>(batch) * KEY_HEADS + head / (H / KEY_HEADS);
  const long last_keys = (key_head + 1) * chunks - 1;
  auto write_keys = keys + last_keys * KINDS * TILE * KEYS + key / 8 * BLOCK;
  auto read_keys = write_keys + (KINDS - 1) * TILE * KEYS;
  auto chunk_queries = queries + last_keys * TILE * KEYS + key / 8 * BLOCK;
  auto chunk_inverse = inverse + last * LOWER_SIZE;
  auto chunk_mixes = mixes + last * LOWER_SIZE;
  auto chunk_decay = decay + last * 2 * DECAYS + (PER_KEY ? key : 0);
  const long begins = (sequence + (chunks - 1) * TILE) * H + head;
  auto chunk_outputs = grad_o + begins * Dv + value;
  auto chunk_updates = grad_update + begins * Dv + value;
  auto chunk_written = grad_v + begins * Dv + value;
  auto chunk_rates = rates + last * 3 * TILE + lane;
  walk_keys<TALL, TWK> reads;
  steps_lower mix;
  steps_given<WIDE, TV> given;
  walk_decays<PER_KEY, TALL> fading;
  if (AHEAD) {
    walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    steps_fetch_lower<true>(mix, chunk_mixes);
    steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, rest, place);
    walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
  }
  float own_rates[3];
  if (AHEAD) {
    steps_fetch_rates(own_rates, chunk_rates);
  }

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const bool more = chunk > 0;
    const int steps = min(TILE, L - chunk * TILE);
    auto resets = reset + (HAS_RESET ? sequence + chunk * TILE : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    walk_keys<TALL, TWK> writes;
    walk_keys<TALL, TWQ> asks;
    steps_lower solve;
    if (AHEAD) {
      walk_fetch<TALL, false, WHOLE_KEYS>(writes, write_keys, KEYS / 8, owned);
      walk_fetch<TALL, false, WHOLE_KEYS>(asks, chunk_queries, KEYS / 8, owned);
      write_keys -= KINDS * TILE * KEYS;
      chunk_queries -= TILE * KEYS;
      steps_fetch_lower<false>(solve, chunk_inverse);
      chunk_inverse -= LOWER_SIZE;
    }
    if (!AHEAD) {
      steps_fetch_rates(own_rates, chunk_rates);
    }
    steps_keep_rates(own_weights, own_rates, lane);
    chunk_rates -= 3 * TILE;
    if (AHEAD && more) {
      steps_fetch_rates(own_rates, chunk_rates);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    steps_values<WIDE> updates;
    if (!AHEAD) {
      walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    }
    walk_read<WIDE, TALL, TWK>(updates, G, reads);
    // Stored while the product is on its way.
    if (!ALONE) {
      auto saved =
          chunk_adjoint + (((state * chunks + chunk) * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
      blocks_store<false, WHOLE, TS>(G.at, saved, VALUES / 8, owned, (VALUES - value) / 8);
    }
    walk_sum<WIDE, SIMDGROUPS>(updates, sums, simdgroup, lane);

    // What the adjoint and the outputs ask of each step, then what steps after it do.
    steps_values<WIDE> outputs;
    if (!AHEAD) {
      steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, steps, place);
    }
    steps_from<WIDE, TV>(outputs, given);
    steps_scale<WIDE, HAS_RESET>(updates, own_weights, place);
    if (!AHEAD) {
      steps_fetch_lower<true>(mix, chunk_mixes);
    }
    steps_mix<WIDE, true, HAS_RESET, TV>(updates, outputs, mix, resets, steps, place);
    // What is fetched late holds up the next chunk's start, but with a gate a key no register is left.
    constexpr bool EARLY = AHEAD && !PER_KEY;
    constexpr bool LATE = AHEAD && PER_KEY;
    auto next_outputs = chunk_outputs - TILE * H * Dv;
    read_keys -= KINDS * TILE * KEYS;
    chunk_mixes -= LOWER_SIZE;
    walk_decays<PER_KEY, TALL> coming = fading;
    if (AHEAD && more) {
      walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    }
    if (EARLY && more) {
      steps_fetch_lower<true>(mix, chunk_mixes);
      steps_fetch<WIDE, WHOLE_ROWS, TV>(given, next_outputs, H * Dv, wide, TILE, place);
      walk_fetch_decays<PER_KEY, TALL>(coming, chunk_decay - 2 * DECAYS, DECAYS, owned, place);
    }
    steps_values<WIDE> rated = updates;
    steps_scale<WIDE, HAS_RESET>(rated, own_weights + TILE, place);
    if (!AHEAD) {
      steps_fetch_lower<false>(solve, chunk_inverse);
      chunk_inverse -= LOWER_SIZE;
    }
    steps_mix<WIDE, true, HAS_RESET>(updates, rated, solve, resets, steps, place);
    steps_values<WIDE> written = updates;
    steps_scale<WIDE, HAS_RESET>(written, own_weights + TILE, place);
    if (!ALONE && simdgroup == 0) {
      steps_store<WIDE, WHOLE_ROWS, TU>(updates, chunk_updates, H * Dv, wide, steps, place);
      steps_store<WIDE, WHOLE_ROWS, TV>(written, chunk_written, H * Dv, wide, steps, place);
    }
    chunk_updates -= TILE * H * Dv;
    chunk_written -= TILE * H * Dv;

    if (!AHEAD) {
      steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, steps, place);
      steps_from<WIDE, TV>(outputs, given);
    }
    chunk_outputs = next_outputs;
    steps_times<WIDE>(outputs, factor);
    steps_times<WIDE>(written, -1.0f);
    steps_scale<WIDE, HAS_RESET>(outputs, own_weights + 2 * TILE, place);
    steps_scale<WIDE, HAS_RESET>(written, own_weights + 2 * TILE, place);
    if (!AHEAD) {
      walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
    }
    walk_fade<WIDE, TALL, PER_KEY>(G, rest_of_G, fading, end == steps);
    if (!AHEAD) {
      walk_fetch<TALL, false, WHOLE_KEYS>(asks, chunk_queries, KEYS / 8, owned);
      chunk_queries -= TILE * KEYS;
    }
    walk_write<WIDE, TALL, HAS_RESET, TWQ>(rest_of_G, outputs, asks, 0, end, place);
    chunk_decay -= 2 * DECAYS;
    fading = coming;
    if (LATE && more) {
      steps_fetch_lower<true>(mix, chunk_mixes);
      steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, TILE, place);
      walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, DECAYS, owned, place);
    }
    if (!AHEAD) {
      walk_fetch<TALL, false, WHOLE_KEYS>(writes, write_keys, KEYS / 8, owned);
      write_keys -= KINDS * TILE * KEYS;
    }
    walk_write<WIDE, TALL, HAS_RESET, TWK>(rest_of_G, written, writes, 0, end, place);
    walk_settle<WIDE, TALL>(G, rest_of_G);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE, TALL>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, scratch, lane);
  }
}
