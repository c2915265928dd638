// gated_delta backward, what a chunk of 32 steps needs of itself before the walk back over chunks: mixes,
// W[i][j] = scale * sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i, each block on its side. rates are
// three a step, after, beta and upto: a step reads the adjoint of the state that leaves as keys times after,
// and of that which enters it writes keys, or erase keys, and queries times upto. One gate a step: keys and
// queries are k and q as they are, and after and upto have the gates. One gate a step and key: keys and
// queries have them. With that or erase there are two KINDS of keys, the former with the gates up to a step,
// the latter with those after it.
// q, k, erase are [B, L, Hk, Dk].
// Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head: two simdgroups or, with a gate for each key, four. A chunk is cut
// at its resets; what lies outside a piece counts as 0, and so do upto where the entering state does not
// reach and after where nothing leaves.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_scores.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TE,
    typename TB,
    typename TG,
    typename TWQ,
    typename TWK,
    int Dk,
    int H,
    int Hk,
    bool PER_KEY,
    bool HAS_ERASE,
    bool HAS_RESET>
[[kernel]] void gated_delta_prepare_backward(
    const device TQ* q,         // [B, L, Hk, Dk]
    const device TK* k,         // [B, L, Hk, Dk]
    const device TE* erase,     // [B, L, Hk, Dk]
    const device TG* g,         // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,      // [B, L, H]
    const device bool* reset,   // [B, L]
    const device float* scale,  // [1]
    device float* mixes,        // [B, H, CHUNKS, 12, 8, 8]
    device TWQ* queries,        // [B, KEY_HEADS, CHUNKS, 4, KEYS / 8, 8, 8]
    device TWK* keys,           // [B, KEY_HEADS, CHUNKS, KINDS, 4, KEYS / 8, 8, 8]
    device float* rates,        // [B, H, CHUNKS, 3, 32]
    const constant int* k_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int KINDS = PER_KEY || HAS_ERASE ? 2 : 1;
  threadgroup float tiles[2 * TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float products[PER_KEY ? KEY_BLOCKS * TILE : 1];
  threadgroup float before[TILE];
  threadgroup float behind[TILE];

  const int L = k_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long tile = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto erase_row = erase + (HAS_ERASE ? (first * Hk + head / (H / Hk)) * Dk : 0);
  // One gate a step: these are the same for all heads of values with a head of keys, and the first stores
  // them.
  constexpr int SHARE = PER_KEY ? 1 : H / Hk;
  const bool stores = head % SHARE == 0;
  const long key_head = static_cast<long>(batch) * (H / SHARE) + head / SHARE;
  auto chunk_queries = queries + (key_head * chunks + chunk) * TILE * KEYS;
  auto chunk_keys = keys + (key_head * chunks + chunk) * KINDS * TILE * KEYS;
  auto gate_row = g + row * GATES;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  auto left = tiles;
  auto right = tiles + TILE * TILE_STRIDE;
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    const tile_place place = {begin, end, simdgroup, lane};
    const tile_place padded = {begin, end == steps ? TILE : end, simdgroup, lane};
    if (PER_KEY) {
      key_scores scores;
      key_clear(scores);
      for (int key = 0; key < KEYS; key += TILE) {
        TQ q_rows[KEY_STEPS];
        TK k_rows[KEY_STEPS];
        TG gate_rows[KEY_STEPS];
        key_fetch<TQ>(q_rows, view_of(q_row + key, Hk * Dk, Dk - key), place);
        TE erase_rows[KEY_STEPS];
        key_fetch<TK>(k_rows, view_of(k_row + key, Hk * Dk, Dk - key), place);
        if (HAS_ERASE) {
          key_fetch<TE>(erase_rows, view_of(erase_row + key, Hk * Dk, Dk - key), place);
        }
        key_fetch_gates<HAS_RESET, TG>(
            gate_rows, view_of(gate_row + key, H * Dk, Dk - key), resets, steps, place);
        float own_q[KEY_STEPS];
        float own_k[KEY_STEPS];
        float own_read[KEY_STEPS];
        float kept[KEY_STEPS];
        key_gates own_gates;
        key_products<HAS_RESET, TG>(own_gates, gate_rows);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEY_STEPS; ++i) {
          own_q[i] = static_cast<float>(q_rows[i]);
          own_k[i] = static_cast<float>(k_rows[i]);
          own_read[i] = HAS_ERASE ? static_cast<float>(erase_rows[i]) : own_k[i];
        }
        products[simdgroup * TILE + lane] = own_gates.upto[KEY_STEPS - 1];
        key_pairs_add<HAS_RESET>(scores, own_q, own_k, own_gates);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        key_scores_meet<HAS_RESET>(tiles, products, own_q, own_k, own_gates, place);
        auto to = chunk_keys + key / 8 * BLOCK;
        const int columns = (KEYS - key) / 8;
        const float upto_block = key_blocks_product<HAS_RESET>(products, 0, simdgroup, lane);
        key_decay<false, HAS_RESET>(kept, own_q, own_gates, upto_block);
        key_if(kept, meets_state);
        key_store_blocks<TWQ>(kept, chunk_queries + key / 8 * BLOCK, KEYS / 8, columns, padded);
        key_decay<false, HAS_RESET>(kept, own_read, own_gates, upto_block);
        key_if(kept, meets_state);
        key_store_blocks<TWK>(kept, to, KEYS / 8, columns, padded);
        const float behind_block = key_blocks_product<HAS_RESET>(products, simdgroup + 1, KEY_BLOCKS, lane);
        key_decay<true, HAS_RESET>(kept, own_k, own_gates, behind_block);
        key_if(kept, meets_adjoint);
        key_store_blocks<TWK>(kept, to + TILE * KEYS, KEYS / 8, columns, padded);
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
    } else {
      tile_sum sum;
      tile_clear(sum);
      // They are on their way while the first keys are fetched.
      gates_part<false, TG> own_gates;
      gates_fetch_once<HAS_RESET, TG>(own_gates, view_of(gate_row, H, 1), resets, steps, place);
      for (int key = 0; key < Dk; key += TILE) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_load_both<TQ, TK>(
            left,
            view_of(q_row + key, Hk * Dk, Dk - key),
            right,
            view_of(k_row + key, Hk * Dk, Dk - key),
            place);
        if (key == 0) {
          gates_keep<false, TG>(gates, own_gates, simdgroup, lane);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        scores_product<TQ, TK>(sum, left, right, simdgroup);
        const int at = key / 8 * BLOCK;
        const int columns = (KEYS - key) / 8;
        if (stores) {
          tile_store_blocks<false, WHOLE, TWQ>(left, chunk_queries + at, KEYS / 8, columns, padded);
          tile_store_blocks<false, WHOLE, TWK>(
              right, chunk_keys + at + (KINDS - 1) * TILE * KEYS, KEYS / 8, columns, padded);
        }
        if (HAS_ERASE && stores) {
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_load<TE>(left, view_of(erase_row + key, Hk * Dk, Dk - key), 1.0f, place);
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_store_blocks<false, WHOLE, TWK>(left, chunk_keys + at, KEYS / 8, columns, padded);
        }
      }
      tile_put(sum, weights, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      scores_decay<HAS_RESET>(weights, gates, factor, simdgroup, lane);
      gates_products<HAS_RESET>(gates, before, behind, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    // Steps past the last count as 0.
    if (simdgroup == 1 && lane >= begin && (lane < end || end == steps)) {
      const bool there = lane < end;
      auto own = rates + tile * 3 * TILE + lane;
      own[0] = !there || !meets_adjoint ? 0.0f : PER_KEY ? 1.0f : behind[lane];
      own[TILE] = there ? static_cast<float>(beta[row + static_cast<long>(lane) * H]) : 0.0f;
      own[2 * TILE] = !there || !meets_state ? 0.0f : PER_KEY ? 1.0f : before[lane];
    }
    if (simdgroup < TILE_SIMDGROUPS) {
      if (HAS_RESET) {
        tile_within(weights, begin, end, simdgroup, lane);
      }
      tile_store_lower<true>(weights, mixes, tile, padded);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
