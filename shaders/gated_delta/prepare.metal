// gated_delta forward, what a chunk of 32 steps needs of itself before the walk over chunks. Its errors
// e[t] = v[t] - S r[t] satisfy (I + M diag(beta)) e = v - r' S, where M[i][j] = sum over keys of r[i] k[j]
// g[j+1] ... g[i] for j < i, r is erase or else k, r' is r times the gates up to its step and S the state
// that enters. This makes inverse, N = -(I + M diag(beta))^-1 M, hence (I + M diag(beta))^-1 = I + N
// diag(beta) and, for backward, (I + diag(beta) M)^-1 = I + diag(beta) N, so nothing is divided by beta;
// and decay, the product of the gates of the chunk as carry.h has it. rates are three a step, upto, beta
// and onward: a step reads keys times upto, and what it writes, beta k times the gates after it, is keys
// times onward. One gate a step: keys are k as it is, and upto and onward have the gates. One gate a step
// and key: keys have them. With that or erase there are two KINDS, to be read and to be written. k, erase
// are [B, L, Hk, Dk]. Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head: two simdgroups or, with a gate for each key, four. A chunk is cut
// at its resets; what lies outside a piece counts as 0, and so do upto where the entering state does not
// reach and onward where nothing leaves.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_scores.h"
#include "../common/scores.h"
#include "../common/tile.h"
#include "../common/unit_lower.h"

using namespace metal;

template <
    typename TK,
    typename TE,
    typename TG,
    typename TB,
    typename TW,
    int Dk,
    int H,
    int Hk,
    bool PER_KEY,
    bool HAS_ERASE,
    bool HAS_RESET>
[[kernel]] void gated_delta_prepare(
    const device TK* k,        // [B, L, Hk, Dk]
    const device TE* erase,    // [B, L, Hk, Dk]
    const device TG* g,        // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,     // [B, L, H]
    const device bool* reset,  // [B, L]
    device float* inverse,     // [B, H, CHUNKS, 12, 8, 8]
    device TW* keys,           // [B, KEY_HEADS, CHUNKS, KINDS, 4, KEYS / 8, 8, 8]
    device float* rates,       // [B, H, CHUNKS, 3, 32]
    device float* decay,       // [B, H, CHUNKS, 2, DECAYS]
    const constant int* k_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int KINDS = PER_KEY || HAS_ERASE ? 2 : 1;
  threadgroup float left[KINDS * TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float products[PER_KEY ? KEY_BLOCKS * TILE : 1];
  threadgroup float lesses[PER_KEY ? KEY_BLOCKS * TILE : 1];
  threadgroup float before[TILE];
  threadgroup float behind[TILE];
  threadgroup float betas[TILE];

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
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto erase_row = erase + (HAS_ERASE ? (first * Hk + head / (H / Hk)) * Dk : 0);
  // One gate a step: keys are the same for all heads of values with a head of keys, and the first stores
  // them.
  constexpr int SHARE = PER_KEY ? 1 : H / Hk;
  const bool stores = head % SHARE == 0;
  const long key_head = static_cast<long>(batch) * (H / SHARE) + head / SHARE;
  auto chunk_keys = keys + (key_head * chunks + chunk) * KINDS * TILE * KEYS;
  auto gate_row = g + row * GATES;
  auto resets = reset + (HAS_RESET ? first : 0);

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool leaves = end == steps;

    const tile_place place = {begin, end, simdgroup, lane};
    const tile_place padded = {begin, end == steps ? TILE : end, simdgroup, lane};
    const TB own_rate = lane >= begin && lane < end ? beta[row + lane * H] : static_cast<TB>(0.0f);
    if (PER_KEY) {
      key_scores scores;
      key_clear(scores);
      for (int key = 0; key < KEYS; key += TILE) {
        TK k_rows[KEY_STEPS];
        TG gate_rows[KEY_STEPS];
        TE erase_rows[KEY_STEPS];
        key_fetch<TK>(k_rows, view_of(k_row + key, Hk * Dk, Dk - key), place);
        if (HAS_ERASE) {
          key_fetch<TE>(erase_rows, view_of(erase_row + key, Hk * Dk, Dk - key), place);
        }
        key_fetch_gates<HAS_RESET, TG>(
            gate_rows, view_of(gate_row + key, H * Dk, Dk - key), resets, steps, place);
        float own_k[KEY_STEPS];
        float own_read[KEY_STEPS];
        float kept[KEY_STEPS];
        key_gates own_gates;
        key_products<HAS_RESET, TG>(own_gates, gate_rows);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEY_STEPS; ++i) {
          own_k[i] = static_cast<float>(k_rows[i]);
          own_read[i] = HAS_ERASE ? static_cast<float>(erase_rows[i]) : own_k[i];
        }
        products[simdgroup * TILE + lane] = own_gates.upto[KEY_STEPS - 1];
        lesses[simdgroup * TILE + lane] = key_less(own_gates);
        key_pairs_add<HAS_RESET>(scores, own_read, own_k, own_gates);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        key_scores_meet<HAS_RESET>(left, products, own_read, own_k, own_gates, place);
        auto to = chunk_keys + key / 8 * BLOCK;
        const int columns = (KEYS - key) / 8;
        const float upto_block = key_blocks_product<HAS_RESET>(products, 0, simdgroup, lane);
        key_decay<false, HAS_RESET>(kept, own_read, own_gates, upto_block);
        key_if(kept, meets_state);
        key_store_blocks<TW>(kept, to, KEYS / 8, columns, padded);
        const float behind_block = key_blocks_product<HAS_RESET>(products, simdgroup + 1, KEY_BLOCKS, lane);
        key_decay<true, HAS_RESET>(kept, own_k, own_gates, behind_block);
        key_if(kept, leaves);
        key_store_blocks<TW>(kept, to + TILE * KEYS, KEYS / 8, columns, padded);
        if (leaves && simdgroup == 0 && lane < KEYS - key) {
          carry_decay fading;
          carry_decay_from(
              fading,
              decayed<HAS_RESET>(own_gates.upto[KEY_STEPS - 1], behind_block),
              key_blocks_less(lesses, lane));
          decay[tile * 2 * KEYS + key + lane] = fading.base;
          decay[(tile * 2 + 1) * KEYS + key + lane] = fading.change;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        key_scores_add(scores, left, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup == 0) {
        betas[lane] = static_cast<float>(own_rate);
      }
      key_scores_put(scores, weights, left, place);
    } else {
      auto right = left + (KINDS - 1) * TILE * TILE_STRIDE;
      tile_sum sum;
      tile_clear(sum);
      // What a step has one of is on its way while the first keys are fetched.
      gates_part<false, TG> own_gates;
      gates_fetch_once<HAS_RESET, TG>(own_gates, view_of(gate_row, H, 1), resets, steps, place);
      for (int key = 0; key < Dk; key += TILE) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (HAS_ERASE) {
          tile_load_both<TE, TK>(
              left,
              view_of(erase_row + key, Hk * Dk, Dk - key),
              right,
              view_of(k_row + key, Hk * Dk, Dk - key),
              place);
        } else {
          tile_load<TK>(left, view_of(k_row + key, Hk * Dk, Dk - key), 1.0f, place);
        }
        if (key == 0) {
          gates_keep<false, TG>(gates, own_gates, simdgroup, lane);
          if (simdgroup == 0) {
            betas[lane] = static_cast<float>(own_rate);
          }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        scores_product<conditional_t<HAS_ERASE, TE, TK>, TK>(sum, left, right, simdgroup);
        auto to = chunk_keys + key / 8 * BLOCK;
        const int columns = (KEYS - key) / 8;
        if (stores) {
          tile_store_blocks<false, WHOLE, TW>(left, to, KEYS / 8, columns, padded);
        }
        if (HAS_ERASE && stores) {
          tile_store_blocks<false, WHOLE, TW>(right, to + TILE * KEYS, KEYS / 8, columns, padded);
        }
      }
      tile_put(sum, weights, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      scores_decay<HAS_RESET>(weights, gates, 1.0f, simdgroup, lane);
      gates_products<HAS_RESET>(gates, before, behind, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    // Steps past the last count as 0.
    if (simdgroup == 1 && lane >= begin && (lane < end || end == steps)) {
      const bool there = lane < end;
      auto own = rates + tile * 3 * TILE + lane;
      own[0] = !there || !meets_state ? 0.0f : PER_KEY ? 1.0f : before[lane];
      own[TILE] = there ? betas[lane] : 0.0f;
      own[2 * TILE] = !there || !leaves ? 0.0f : PER_KEY ? betas[lane] : betas[lane] * behind[lane];
    }
    if (simdgroup == 0) {
      unit_lower_inverse(weights, left, betas, -1.0f, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup < TILE_SIMDGROUPS) {
      if (HAS_RESET) {
        tile_within(left, begin, end, simdgroup, lane);
      }
      tile_store_lower<false>(left, inverse, tile, padded);
    }

    if (!PER_KEY) {
      carry_decay fading;
      gates_decay(fading, gates[lane], before[TILE - 1]);
      if (leaves && simdgroup == 0 && lane == 0) {
        decay[tile * 2] = fading.base;
        decay[tile * 2 + 1] = fading.change;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
