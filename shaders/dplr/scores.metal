// dplr, how the 32 steps of a chunk meet: A[i][j] = scale * sum over keys of rows[i] keys[j] g[j+1] ... g[i]
// for j <= i. BEFORE: rows read the state before it decays, A[i][j] = sum over keys of rows[i] keys[j] g[j+1]
// ... g[i-1] for j < i. SOLVE: N = (I - A)^-1 - I of it. rows, keys are [B, L, H, Dk]. Peng et al. 2025,
// RWKV-7, arXiv:2503.14456, section 3; Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head, four simdgroups its blocks: key_scores.h. A chunk is cut at its
// resets; what lies outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_scores.h"
#include "../common/tile.h"
#include "../common/unit_lower.h"

using namespace metal;

template <
    typename TR,
    typename TK,
    typename TG,
    int Dk,
    int H,
    bool PER_KEY,
    bool BEFORE,
    bool SOLVE,
    bool HAS_RESET>
[[kernel]] void dplr_scores(
    const device TR* rows,      // [B, L, H, Dk]
    const device TK* keys,      // [B, L, H, Dk]
    const device TG* g,         // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,   // [B, L]
    const device float* scale,  // [1]
    device float* lower,        // [B, H, CHUNKS, 4, 4, 8, 8]
    const constant int* rows_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float tiles[2 * TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float products[KEY_BLOCKS * TILE];
  threadgroup float rates[TILE];

  const int L = rows_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  auto blocks = lower + ((static_cast<long>(batch) * H + head) * chunks + chunk) * TILE * TILE;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = SOLVE ? -1.0f : BEFORE ? 1.0f : scale[0];
  if (SOLVE && simdgroup == 0) {
    rates[lane] = 1.0f;
  }

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place = {begin, end, simdgroup, lane};
    const tile_place padded = {begin, end == steps ? TILE : end, simdgroup, lane};
    key_scores scores;
    key_clear(scores);
    for (int key = 0; key < Dk; key += TILE) {
      TR fetched[KEY_STEPS];
      TK fetched_keys[KEY_STEPS];
      TG gate_rows[KEY_STEPS];
      key_fetch<TR>(fetched, view_of(rows + row * Dk + key, H * Dk, Dk - key), place);
      key_fetch<TK>(fetched_keys, view_of(keys + row * Dk + key, H * Dk, Dk - key), place);
      key_fetch_gates<HAS_RESET, TG, PER_KEY>(
          gate_rows,
          view_of(g + row * GATES + (PER_KEY ? key : 0), H * GATES, Dk - key),
          resets,
          steps,
          place);
      float own_rows[KEY_STEPS];
      float own_keys[KEY_STEPS];
      key_gates gates;
      key_products<HAS_RESET, TG>(gates, gate_rows);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        own_rows[i] = static_cast<float>(fetched[i]);
        own_keys[i] = static_cast<float>(fetched_keys[i]);
      }
      products[simdgroup * TILE + lane] = gates.upto[KEY_STEPS - 1];
      key_pairs_add<HAS_RESET, BEFORE>(scores, own_rows, own_keys, gates);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      key_scores_meet<HAS_RESET, BEFORE>(tiles, products, own_rows, own_keys, gates, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      key_scores_add(scores, tiles, simdgroup);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    key_scores_put(scores, weights, tiles, place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      weights[key_cell(place, i)] *= factor;
    }
    if (SOLVE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      unit_lower_inverse(weights, tiles, rates, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    auto made = SOLVE ? tiles : weights;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup < TILE_SIMDGROUPS) {
      if (HAS_RESET) {
        tile_within(made, begin, end, simdgroup, lane);
      }
      tile_store_blocks<false, true>(made, blocks, TILE_BLOCKS, TILE_BLOCKS, padded);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
