// dplr, what a chunk of 32 steps needs of itself before the walk over chunks. How its steps meet: with x o y
// = sum over keys of x[i] y[j] g[j+1] ... g[i] for j <= i, and for x = a up to g[i-1] and for j < i, query_k
// = scale * q o k, query_b = scale * q o b, read_k = a o k, and inverse, N = (I - a o b)^-1 - I. And how they
// meet the states around them: reads[i] = a[i] o g[0] ... g[i-1] and queries[i] = scale * q[i] o g[0] ...
// g[i] of the state that enters, keys_k[j] = k[j] o g[j+1] ... g[31] and keys_b[j] = b[j] o g[j+1] ... g[31]
// to the one that leaves, and decay, the product of all gates as carry.h has it. q, k, a, b are [B, L, H,
// Dk]. Peng et al. 2025, RWKV-7, arXiv:2503.14456, section 3; Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head, four simdgroups its blocks: key_blocks.h. A chunk is cut at its
// resets; what lies outside a piece counts as 0, and so do reads and queries that the entering state does not
// reach and keys that do not leave.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_blocks.h"
#include "../common/tile.h"
#include "../common/unit_lower.h"
#include "meetings.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TA,
    typename TB,
    typename TG,
    int Dk,
    int H,
    bool PER_KEY,
    bool HAS_RESET>
[[kernel]] void dplr_prepare(
    const device TQ* q,         // [B, L, H, Dk]
    const device TK* k,         // [B, L, H, Dk]
    const device TA* a,         // [B, L, H, Dk]
    const device TB* b,         // [B, L, H, Dk]
    const device TG* g,         // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,   // [B, L]
    const device float* scale,  // [1]
    device float* queries,      // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device float* reads,        // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device float* keys_k,       // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device float* keys_b,       // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device float* decay,        // [B, H, CHUNKS, 2, KEYS]
    device float* query_k,      // [B, H, CHUNKS, 12, 8, 8]
    device float* query_b,      // [B, H, CHUNKS, 12, 8, 8]
    device float* read_k,       // [B, H, CHUNKS, 12, 8, 8]
    device float* inverse,      // [B, H, CHUNKS, 12, 8, 8]
    const constant int* q_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float tiles[KINDS * LEVELS * TILE_SIZE];
  threadgroup float products[KEY_BLOCKS * TILE];
  threadgroup float lesses[KEY_BLOCKS * TILE];
  threadgroup float rates[TILE];

  const int L = q_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long at = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];
  // The own product, and room behind all four.
  auto own_tile = tiles + simdgroup * TILE_SIZE;
  auto solved = tiles + KINDS * KINDS * TILE_SIZE;
  auto scratch = solved + TILE_SIZE + simdgroup * 2 * BLOCK;
  auto lower = simdgroup == 0 ? query_k : simdgroup == 1 ? query_b : simdgroup == 2 ? read_k : inverse;

  if (simdgroup == 0) {
    rates[lane] = 1.0f;
  }
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool leaves = end == steps;
    const int last = end == steps ? TILE : end;
    const tile_place place = {begin, end, simdgroup, lane};
    const tile_place padded = {begin, last, simdgroup, lane};
    meetings own;
    meetings_clear(own);
    for (int key = 0; key < KEYS; key += TILE) {
      TQ q_rows[KEY_STEPS];
      TK k_rows[KEY_STEPS];
      TA a_rows[KEY_STEPS];
      TB b_rows[KEY_STEPS];
      TG gate_rows[KEY_STEPS];
      const long from = row * Dk + key;
      key_fetch<TQ>(q_rows, view_of(q + from, H * Dk, Dk - key), place);
      key_fetch<TK>(k_rows, view_of(k + from, H * Dk, Dk - key), place);
      key_fetch<TA>(a_rows, view_of(a + from, H * Dk, Dk - key), place);
      key_fetch<TB>(b_rows, view_of(b + from, H * Dk, Dk - key), place);
      key_fetch_gates<HAS_RESET, TG, PER_KEY>(
          gate_rows,
          view_of(g + row * GATES + (PER_KEY ? key : 0), H * GATES, Dk - key),
          resets,
          steps,
          place);
      key_rows rows;
      key_gates gates;
      key_scale(rows.x[0], q_rows, factor);
      key_scale(rows.x[1], a_rows, 1.0f);
      key_scale(rows.y[0], k_rows, 1.0f);
      key_scale(rows.y[1], b_rows, 1.0f);
      key_products<HAS_RESET, TG>(gates, gate_rows);
      products[simdgroup * TILE + lane] = gates.upto[KEY_STEPS - 1];
      lesses[simdgroup * TILE + lane] = key_less(gates);
      meetings_add_pairs<HAS_RESET>(own, rows, gates, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      meetings_meet<HAS_RESET>(tiles, products, rows, gates, place);

      const float upto_block = key_blocks_product<HAS_RESET>(products, 0, simdgroup, lane);
      const float behind_block = key_blocks_product<HAS_RESET>(products, simdgroup + 1, KEY_BLOCKS, lane);
      const long to = at * TILE * KEYS + key / 8 * BLOCK;
      const int columns = (KEYS - key) / 8;
      float kept[KEY_STEPS];
      key_decay<false, HAS_RESET>(kept, rows.x[0], gates, upto_block);
      key_if(kept, meets_state);
      key_store_blocks<float>(kept, queries + to, KEYS / 8, columns, padded);
      key_decay<false, HAS_RESET, true>(kept, rows.x[1], gates, upto_block);
      key_if(kept, meets_state);
      key_store_blocks<float>(kept, reads + to, KEYS / 8, columns, padded);
      key_decay<true, HAS_RESET>(kept, rows.y[0], gates, behind_block);
      key_if(kept, leaves);
      key_store_blocks<float>(kept, keys_k + to, KEYS / 8, columns, padded);
      key_decay<true, HAS_RESET>(kept, rows.y[1], gates, behind_block);
      key_if(kept, leaves);
      key_store_blocks<float>(kept, keys_b + to, KEYS / 8, columns, padded);
      if (leaves && simdgroup == 0 && lane < KEYS - key) {
        carry_decay fading;
        carry_decay_from(
            fading,
            decayed<HAS_RESET>(gates.upto[KEY_STEPS - 1], behind_block),
            key_blocks_less(lesses, lane));
        decay[at * 2 * KEYS + key + lane] = fading.base;
        decay[(at * 2 + 1) * KEYS + key + lane] = fading.change;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      meetings_add_products(own, tiles, simdgroup);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    meetings_put_products(own, own_tile, scratch, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    meetings_put_pairs(own, tiles, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const bool solves = simdgroup == KINDS * KINDS - 1;
    if (solves) {
      unit_lower_inverse(own_tile, solved, rates, 1.0f, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
    auto made = solves ? solved : own_tile;
#pragma clang loop unroll(full)
    for (int part = 0; part < TILE_SIMDGROUPS; ++part) {
      if (HAS_RESET) {
        tile_within(made, begin, end, part, lane);
      }
      tile_store_lower<false>(made, lower, at, {begin, last, part, lane});
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
