// dplr, how the 32 steps of a chunk meet the states around it: reads[i] = a[i] o g[0] ... g[i-1] and
// queries[i] = scale * q[i] o g[0] ... g[i] of the state that enters, keys_k[j] = k[j] o g[j+1] ... g[31] and
// keys_b[j] = b[j] o g[j+1] ... g[31] to the one that leaves, and decay, the product of all gates as carry.h
// has it. q, k, a, b are [B, L, H, Dk]. Peng et al. 2025, RWKV-7, arXiv:2503.14456, section 3.
//
// A threadgroup owns a chunk of one head, four simdgroups its blocks: key_blocks.h. A chunk is cut at its
// resets; reads and queries that the entering state does not reach are 0, and so are keys that do not leave.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_blocks.h"
#include "../common/tile.h"

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
[[kernel]] void dplr_rows(
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
    const constant int* q_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float products[KEY_BLOCKS * TILE];
  threadgroup float lesses[KEY_BLOCKS * TILE];

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
  const long tile = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool leaves = end == steps;
    const tile_place place = {begin, end, simdgroup, lane};
    const tile_place padded = {begin, end == steps ? TILE : end, simdgroup, lane};
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
      key_gates gates;
      key_products<HAS_RESET, TG>(gates, gate_rows);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      products[simdgroup * TILE + lane] = gates.upto[KEY_STEPS - 1];
      lesses[simdgroup * TILE + lane] = key_less(gates);
      threadgroup_barrier(mem_flags::mem_threadgroup);

      const float upto_block = key_blocks_product<HAS_RESET>(products, 0, simdgroup, lane);
      const float behind_block = key_blocks_product<HAS_RESET>(products, simdgroup + 1, KEY_BLOCKS, lane);
      const long to = tile * TILE * KEYS + key / 8 * BLOCK;
      const int columns = (KEYS - key) / 8;
      float own[KEY_STEPS];
      float kept[KEY_STEPS];
      key_scale(own, q_rows, factor);
      key_decay<false, HAS_RESET>(kept, own, gates, upto_block);
      key_if(kept, meets_state);
      key_store_blocks<float>(kept, queries + to, KEYS / 8, columns, padded);
      key_scale(own, a_rows, 1.0f);
      key_decay<false, HAS_RESET, true>(kept, own, gates, upto_block);
      key_if(kept, meets_state);
      key_store_blocks<float>(kept, reads + to, KEYS / 8, columns, padded);
      key_scale(own, k_rows, 1.0f);
      key_decay<true, HAS_RESET>(kept, own, gates, behind_block);
      key_if(kept, leaves);
      key_store_blocks<float>(kept, keys_k + to, KEYS / 8, columns, padded);
      key_scale(own, b_rows, 1.0f);
      key_decay<true, HAS_RESET>(kept, own, gates, behind_block);
      key_if(kept, leaves);
      key_store_blocks<float>(kept, keys_b + to, KEYS / 8, columns, padded);
      if (leaves && simdgroup == 0 && lane < KEYS - key) {
        carry_decay fading;
        carry_decay_from(
            fading,
            decayed<HAS_RESET>(gates.upto[KEY_STEPS - 1], behind_block),
            key_blocks_less(lesses, lane));
        decay[tile * 2 * KEYS + key + lane] = fading.base;
        decay[(tile * 2 + 1) * KEYS + key + lane] = fading.change;
      }
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
