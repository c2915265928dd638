// dplr, the walk over chunks of 32 steps. Forward, from the state S that enters a chunk: with x = S reads +
// A_ak v, what its steps read of the state is u = x + N x, and S = decay o S + v (x) keys_k + u (x) keys_b.
// REVERSE, from the adjoint G of the state that leaves it: with y = G keys_b + A_qb^T grad_o, the gradient of
// u is d = y + N^T y, and G = decay o G + grad_o (x) queries + d (x) reads. prepare.metal makes N, A_ak,
// A_qb and the rest. Each state that enters and adjoint that leaves a chunk is kept. Peng et al.
// 2025, RWKV-7, arXiv:2503.14456, section 3; Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A simdgroup owns 8 * WIDE values and 8 * TALL keys of their state, a threadgroup all keys.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/walk_keys.h"
#include "../common/steps.h"
#include "../common/tile.h"
#include "../common/walk.h"
#include "chunk.h"

using namespace metal;

template <
    typename TV,
    int Dk,
    int Dv,
    int H,
    int WIDE,
    int TALL,
    bool AHEAD,
    bool REVERSE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void dplr_walk(
    const device float* read,     // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* mix,      // [B, H, CHUNKS, 12, 8, 8]
    const device float* inverse,  // [B, H, CHUNKS, 12, 8, 8]
    const device TV* given,       // [B, L, H, Dv]
    const device float* write,    // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* rewrite,  // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* decay,    // [B, H, CHUNKS, 2, KEYS]
    const device float* start,    // [B, H, Dv, Dk]
    const device bool* reset,     // [B, L]
    device float* kept,           // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device float* solved,         // [B, L, H, Dv]
    device float* last,           // [B, H, Dv, Dk]
    const constant int* given_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr bool WHOLE_ROWS = Dv % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int SUMS = SIMDGROUPS > 1 ? SIMDGROUPS * TILE_BLOCKS * WIDE * 32 : 1;
  static_assert((2 * SUMS + SIMDGROUPS * 8 * TILE_STRIDE) * 4 <= 32768, "a threadgroup has 32 KiB");
  threadgroup float2 sums[SUMS];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];

  const int L = given_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const int chunks = (L + TILE - 1) / TILE;
  const int owned = (KEYS - key) / 8;
  const int wide = Dv - value;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const long corner = (state * Dv + value) * Dk + key;
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;

  constexpr bool STARTS = REVERSE || HAS_INITIAL_STATE;
  const steps_place place = steps_placed(scratch, lane);
  walk_state<WIDE, TALL> S;
  walk_state<WIDE, TALL> rest_of_S;
  walk_clear<WIDE, TALL>(rest_of_S);
  walk_begin<WIDE, TALL>(
      S, start + (STARTS ? corner : 0), Dk, STARTS ? Dk - key : 0, Dv - value, scratch, lane);

  // If AHEAD, a chunk's numbers are on their way while the chunk before it is worked on.
  const long own_keys = state * chunks * TILE * KEYS + key / 8 * BLOCK;
  const long own_value = (sequence * H + head) * Dv + value;
  const chunk_source<const device float*, const device TV*> source = {
      read + own_keys,
      decay + state * chunks * 2 * KEYS + key,
      given + own_value,
      write + own_keys,
      mix + state * chunks * LOWER_SIZE,
      inverse + state * chunks * LOWER_SIZE,
      rewrite + own_keys,
      H * Dv,
      KEYS / 8,
      owned,
      wide};
  chunk_numbers<WIDE, TALL, TV> own;
  if (AHEAD) {
    const int chunk = REVERSE ? chunks - 1 : 0;
    chunk_fetch_reads<WHOLE_KEYS>(own, source, chunk);
    chunk_fetch_given<WHOLE_KEYS, WHOLE_ROWS>(own, source, chunk, L - chunk * TILE, place);
    chunk_fetch_mix<REVERSE>(own, source, chunk);
    chunk_fetch_inverse<REVERSE>(own, source, chunk);
    chunk_fetch_rewrites<WHOLE_KEYS>(own, source, chunk);
  }
  for (int n = 0; n < chunks; ++n) {
    const int chunk = REVERSE ? chunks - 1 - n : n;
    const int next = REVERSE ? chunk - 1 : chunk + 1;
    const bool more = AHEAD && n + 1 < chunks;
    const int steps = min(TILE, L - chunk * TILE);
    auto resets = reset + (HAS_RESET ? sequence + chunk * TILE : 0);
    const int first = first_reset<HAS_RESET>(resets, steps);
    const int behind = last_reset<HAS_RESET>(resets, steps);
    const int begin = REVERSE ? 0 : behind;
    const int end = REVERSE ? first : TILE;
    if (!AHEAD) {
      chunk_fetch_reads<WHOLE_KEYS>(own, source, chunk);
    }

    // What the state has for each step. The state is stored while that is on its way.
    steps_values<WIDE> values;
    walk_read<WIDE, TALL, float>(values, S, own.reads);
    blocks_store<false, WHOLE>(
        S.at,
        kept + (((state * chunks + chunk) * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK,
        VALUES / 8,
        owned,
        (VALUES - value) / 8);
    if (more) {
      chunk_fetch_reads<WHOLE_KEYS>(own, source, next);
    }
    walk_sum<WIDE, SIMDGROUPS>(values, sums, simdgroup, lane);
    if (!AHEAD) {
      chunk_fetch_given<WHOLE_KEYS, WHOLE_ROWS>(own, source, chunk, steps, place);
    }
    steps_values<WIDE> inputs;
    steps_from<WIDE, TV>(inputs, own.given);
    steps_values<WIDE> leaving = inputs;
    steps_only<WIDE, HAS_RESET>(leaving, begin, end, place);
    walk_fade<WIDE, TALL, true>(S, rest_of_S, own.fading, first == steps);
    walk_write<WIDE, TALL, HAS_RESET, float>(rest_of_S, leaving, own.writes, begin, end, place);
    if (more) {
      chunk_fetch_given<WHOLE_KEYS, WHOLE_ROWS>(own, source, next, L - next * TILE, place);
    }

    // What the steps make of each other, and what becomes of the state.
    if (!AHEAD) {
      chunk_fetch_mix<REVERSE>(own, source, chunk);
    }
    steps_only<WIDE, HAS_RESET>(values, REVERSE ? behind : 0, REVERSE ? TILE : first, place);
    steps_mix<WIDE, REVERSE, HAS_RESET, TV>(values, inputs, own.mix, resets, steps, place);
    if (more) {
      chunk_fetch_mix<REVERSE>(own, source, next);
    }
    steps_values<WIDE> results = values;
    if (!AHEAD) {
      chunk_fetch_inverse<REVERSE>(own, source, chunk);
    }
    steps_mix<WIDE, REVERSE, HAS_RESET>(results, values, own.inverse, resets, steps, place);
    if (more) {
      chunk_fetch_inverse<REVERSE>(own, source, next);
    }
    if (simdgroup == 0) {
      auto to = solved + own_value + static_cast<long>(chunk) * TILE * H * Dv;
      steps_store<WIDE, WHOLE_ROWS, float>(results, to, H * Dv, wide, steps, place);
    }
    if (!AHEAD) {
      chunk_fetch_rewrites<WHOLE_KEYS>(own, source, chunk);
    }
    steps_only<WIDE, HAS_RESET>(results, begin, end, place);
    walk_write<WIDE, TALL, HAS_RESET, float>(rest_of_S, results, own.rewrites, begin, end, place);
    if (more) {
      chunk_fetch_rewrites<WHOLE_KEYS>(own, source, next);
    }
    walk_settle<WIDE, TALL>(S, rest_of_S);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (!REVERSE || HAS_INITIAL_STATE) {
    walk_end<WIDE, TALL>(S, last + corner, Dk, Dk - key, Dv - value, scratch, lane);
  }
}
