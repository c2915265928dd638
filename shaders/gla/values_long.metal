// gla forward, one gate a step, beside rows of 16 bits: what is mixed over time, a chunk of 64 steps at a
// time. With M[i][j] = g[j+1] ... g[i] for j <= i, P[i] the product of the chunk's gates up to i and S the
// state that entered it:
//   (1) o[i] = scale * (sum over j <= i of M[i][j] (q[i] . k[j]) v[j] + P[i] q[i] . S)
// Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head, a simdgroup all rows of 16 columns of every 64. A chunk is cut at
// its resets; what lies outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/columns.h"
#include "../common/gates.h"
#include "../common/raw_columns.h"
#include "strips.h"

using namespace metal;

constexpr constant int HALVES = 2;
constexpr constant int LONG_CHUNK = HALVES * TILE;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TS,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool HAS_RESET>
[[kernel]] void gla_values_long(
    const device TQ* q,           // [B, L, Hk, Dk]
    const device TK* k,           // [B, L, Hk, Dk]
    const device TV* v,           // [B, L, H, Dv]
    const device float* gates,    // [B, H, CHUNKS, 4, 32]
    const device bool* reset,     // [B, L]
    const device float* scale,    // [1]
    const device TS* pair_state,  // [B, H, PAIR_STATES, KEYS / 8, VALUES / 8, 8, 8]
    device TV* o,                 // [B, L, H, Dv]
    const constant int* v_shape,
    const constant int* pair_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int COLUMNS = Dv / 8;
  threadgroup TQ query_tiles[HALVES * 2 * RAW_SIZE];
  threadgroup TK key_tiles[HALVES * 2 * RAW_SIZE];
  threadgroup float products[3 * RAW_SIZE / 2];
  threadgroup float decays[LONG_CHUNK * ROW_STRIDE];
  threadgroup float own_gates[LONG_CHUNK];
  threadgroup float upto[LONG_CHUNK];
  threadgroup float after[LONG_CHUNK];

  const int L = v_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int pairs = (L + LONG_CHUNK - 1) / LONG_CHUNK;
  const int steps = min(LONG_CHUNK, L - chunk * LONG_CHUNK);
  const long first = batch * L + chunk * LONG_CHUNK;
  const long own_head = batch * H + head;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto v_row = v + (first * H + head) * Dv;
  auto o_row = o + (first * H + head) * Dv;
  auto resets = reset + (HAS_RESET ? first : 0);
  const int states = pair_state_shape[2];
  const int unkept = pairs - states;
  const bool from_zero = chunk < unkept;  // the product with another chunk's state is dropped
  auto state = pair_state + (own_head * states + max(chunk - unkept, 0)) * Dk * Dv;
  // A missing second half reads the first half's gates; its rows are not stored.
  auto gate_rows = gates + (own_head * chunks + chunk * HALVES) * 4 * TILE;
  const int second = steps > TILE ? 4 * TILE : 0;
  const float factor = scale[0];
  auto weights = reinterpret_cast<threadgroup TS*>(products);
  const strip_gates<threadgroup float*> strips = {products, upto, after};
  const steps_place elements = steps_placed(products + simdgroup * BLOCK, lane);

  const float gate = gate_rows[simdgroup % HALVES * second + lane];
  const float entering = gate_rows[TILE + lane];
  const float entering_second =
      decayed_both<HAS_RESET>(gate_rows[2 * TILE - 1], gate_rows[second + TILE + lane]);
  if (simdgroup < HALVES) {
    own_gates[simdgroup * TILE + lane] = gate;
  }
  for (int c = simdgroup; c < 8; c += COLUMN_SIMDGROUPS) {
    decays[lane * ROW_STRIDE + c] = factor * entering;
    decays[(TILE + lane) * ROW_STRIDE + c] = factor * entering_second;
  }

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place[HALVES] = {
        {begin, min(end, TILE), simdgroup, lane}, {begin - TILE, end - TILE, simdgroup, lane}};
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);

    // (1), 64 values at a time: the product of queries and state, 64 keys at a time, and with the first
    // values the scores.
    for (int value = 0; value < Dv; value += 2 * TILE) {
      strip_scores scores;
      column_sum sum[HALVES];
      raw_column_rows<TV> own_values[HALVES];
      strips_clear(scores);
#pragma clang loop unroll(full)
      for (int t = 0; t < HALVES; ++t) {
        columns_clear(sum[t]);
        auto rows = v_row + static_cast<long>(t * TILE) * H * Dv + value;
        columns_fetch(own_values[t], view_of(rows, H * Dv, Dv - value), place[t]);
      }
      for (int key = 0; key < Dk; key += 2 * TILE) {
        raw_column_rows<TQ> own_q[HALVES];
        raw_column_rows<TK> own_k[HALVES];
        column_state<TS> own_state;
        auto entry = state + (key / 8 * COLUMNS + value / 8) * BLOCK;
        auto blocks = blocks_of(entry, COLUMNS, Dk / 8, COLUMNS);
#pragma clang loop unroll(full)
        for (int t = 0; t < HALVES; ++t) {
          const long row = static_cast<long>(t * TILE) * Hk * Dk;
          columns_fetch(own_q[t], view_of(q_row + row + key, Hk * Dk, Dk - key), place[t]);
          if (value == 0) {
            columns_fetch(own_k[t], view_of(k_row + row + key, Hk * Dk, Dk - key), place[t]);
          }
        }
        if (meets_state) {
          columns_fetch_state<true, TS>(own_state, blocks, simdgroup);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
        for (int t = 0; t < HALVES; ++t) {
          columns_keep(tile_at(query_tiles, t * 2), own_q[t], place[t]);
          if (value == 0) {
            columns_keep(tile_at(key_tiles, t * 2), own_k[t], place[t]);
          }
        }
        if (value == 0 && key == 0) {
          strip_products<HAS_RESET>(strips, own_gates, simdgroup, lane);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
        for (int part = 0; part < 2; ++part) {
          if (value == 0) {
            strips_add<TQ, TK>(scores, tile_at(query_tiles, part), tile_at(key_tiles, part), 2, simdgroup);
          }
          if (meets_state) {
#pragma clang loop unroll(full)
            for (int t = 0; t < HALVES; ++t) {
              columns_product_state<true, TQ, TS>(
                  sum[t],
                  tile_at(query_tiles, t * 2 + part),
                  own_state,
                  blocks,
                  part * TILE_BLOCKS,
                  simdgroup);
            }
          }
        }
      }
      if (value == 0) {
        strips_decay<HAS_RESET>(scores, strips, factor, elements, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (value == 0) {
        strips_put<TS>(scores, weights, simdgroup);
      }
#pragma clang loop unroll(full)
      for (int t = 0; t < HALVES; ++t) {
        columns_keep(tile_at(key_tiles, t * 2), own_values[t], place[t]);
        if (from_zero) {
          columns_clear(sum[t]);
        }
        columns_scale<HAS_RESET>(sum[t], decays + t * TILE * ROW_STRIDE);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_product<true, false, TS, TV>(sum[0], weights, key_tiles, simdgroup);
      columns_product<false, false, TS, TV>(sum[1], tile_at(weights, 1), key_tiles, simdgroup);
      columns_product<true, false, TS, TV>(sum[1], tile_at(weights, 2), tile_at(key_tiles, 2), simdgroup);
#pragma clang loop unroll(full)
      for (int t = 0; t < HALVES; ++t) {
        columns_put(sum[t], tile_at(query_tiles, t * 2), simdgroup, tile_numbers<TQ>());
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
      for (int t = 0; t < HALVES; ++t) {
        auto rows = o_row + static_cast<long>(t * TILE) * H * Dv + value;
        columns_write<TV>(
            tile_at(query_tiles, t * 2), view_of(rows, H * Dv, Dv - value), place[t], tile_numbers<TQ>());
      }
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
