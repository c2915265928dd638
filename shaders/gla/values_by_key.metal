// gla with a gate for each key, what is mixed over time, a chunk of 32 steps at a time, with W[i][j] = scale
// * sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i. Forward: o[i] = sum over j of W[i][j] v[j] + scale
// * q'[i] . S, where S entered the chunk and q' is q times the gates up to i. REVERSE: grad_v[j] = sum over i
// of W[i][j] grad_o[i] + k'[j] . S, where S is the adjoint of the state that leaves and k' is k times the
// gates after j. RATED: v[j] is values[j] times the second of rates of step j, else rates is not read. Yang
// et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head, 64 values at a time. A chunk is cut at its resets; what lies
// outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/columns.h"
#include "../common/gates.h"
#include "../common/key_scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TR,
    typename TO,
    typename TS,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool REVERSE,
    bool RATED,
    bool AHEAD,
    bool HAS_RESET>
[[kernel]] void gla_values_by_key(
    const device TQ* q,            // [B, L, Hk, Dk]
    const device TK* k,            // [B, L, Hk, Dk]
    const device TV* values,       // [B, L, H, Dv]
    const device TG* g,            // [B, L, H] or [B, L, H, Dk]
    const device TR* rates,        // [B, L, H] or [B, L, H, Dk] or [B, H, CHUNKS, 3, 32]
    const device bool* reset,      // [B, L]
    const device float* scale,     // [1]
    const device TS* chunk_state,  // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or
                                   // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device TO* mixed,              // [B, L, H, Dv]
    const constant int* values_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  // Steps on their way to where blocks meet, values, or what is stored.
  threadgroup float tiles[2 * TILE_SIZE];
  threadgroup float kept[TILE_SIZE];
  threadgroup float weights[TILE_SIZE];
  threadgroup float products[KEY_BLOCKS * TILE];

  const int L = values_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto value_row = values + row * Dv;
  auto out_row = mixed + row * Dv;
  auto gate_row = g + row * Dk;
  auto resets = reset + (HAS_RESET ? first : 0);
  const int states = chunk_state_shape[2];
  const int unkept = chunks - states;
  const bool from_zero = chunk < unkept;
  const long own_head = static_cast<long>(batch) * H + head;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto own_rates = rates + (RATED ? ((own_head * chunks + chunk) * 3 + 1) * TILE : 0);
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !from_zero && !(HAS_RESET && resets[0]);
    const bool there = lane >= begin && lane < end;
    const float rate = !RATED ? 1.0f : there ? static_cast<float>(own_rates[lane]) : 0.0f;
    const tile_place place = {begin, end, simdgroup, lane};

    // What the steps read of the state, 32 keys at once, and with the first values the scores.
    key_scores scores;
    key_clear(scores);
    for (int value = 0; value < Dv; value += 2 * TILE) {
      column_sum sum;
      columns_clear(sum);
      for (int key = 0; key < Dk && (value == 0 || meets_state); key += TILE) {
        TQ q_rows[KEY_STEPS] = {};
        TK k_rows[KEY_STEPS] = {};
        TG gate_rows[KEY_STEPS];
        simdgroup_matrix<TS, 8, 8> entering[TILE_BLOCKS][TILE_OWN];
        if (value == 0 || !REVERSE) {
          key_fetch<TQ>(q_rows, view_of(q_row + key, Hk * Dk, Dk - key), place);
        }
        if (value == 0 || REVERSE) {
          key_fetch<TK>(k_rows, view_of(k_row + key, Hk * Dk, Dk - key), place);
        }
        key_fetch_gates<HAS_RESET, TG>(
            gate_rows, view_of(gate_row + key, H * Dk, Dk - key), resets, steps, place);
        const int rows = ROWS - key / 8;
        auto entry = state + (key / 8 * COLUMNS + value / 8) * BLOCK;
        if (AHEAD && meets_state) {
#pragma clang loop unroll(full)
          for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
            columns_state_row<WHOLE, TS>(
                entering[inner], blocks_of(entry, COLUMNS, rows, COLUMNS - value / 8), inner, simdgroup);
          }
        }
        float own_q[KEY_STEPS];
        float own_k[KEY_STEPS];
        key_gates gates;
        key_products<HAS_RESET, TG>(gates, gate_rows);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEY_STEPS; ++i) {
          own_q[i] = factor * static_cast<float>(q_rows[i]);
          own_k[i] = static_cast<float>(k_rows[i]);
        }
        products[simdgroup * TILE + lane] = gates.upto[KEY_STEPS - 1];
        if (value == 0) {
          key_pairs_add<HAS_RESET>(scores, own_q, own_k, gates);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (value == 0) {
          key_scores_meet<HAS_RESET>(tiles, products, own_q, own_k, gates, place);
        }
        const float across = REVERSE
                                 ? key_blocks_product<HAS_RESET>(products, simdgroup + 1, KEY_BLOCKS, lane)
                                 : key_blocks_product<HAS_RESET>(products, 0, simdgroup, lane);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEY_STEPS; ++i) {
          const float near = REVERSE ? own_k[i] * gates.after[i] : own_q[i] * gates.upto[i];
          kept[key_cell(place, i)] = decayed<HAS_RESET>(near, across);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (value == 0) {
          key_scores_add(scores, tiles, simdgroup);
        }
#pragma clang loop unroll(full)
        for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
          if (meets_state && (WHOLE || inner < rows)) {
            if (!AHEAD) {
              columns_state_row<WHOLE, TS>(
                  entering[inner], blocks_of(entry, COLUMNS, rows, COLUMNS - value / 8), inner, simdgroup);
            }
#pragma clang loop unroll(full)
            for (int r = 0; r < TILE_BLOCKS; r += 2) {
              columns_multiply<false, TS, TS>(sum, kept, entering[inner][0], entering[inner][1], r, inner);
            }
          }
        }
      }
      column_rows<TV> own_values;
      columns_fetch(own_values, view_of(value_row + value, H * Dv, Dv - value), place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (value == 0) {
        key_scores_put(scores, weights, tiles, place);
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
        for (int i = 0; RATED && i < KEY_STEPS; ++i) {
          weights[key_cell(place, i)] *= rate;
        }
      }
      columns_keep(tiles, own_values, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_product<true, REVERSE, TS, TV>(sum, weights, tiles, simdgroup);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_put(sum, tiles, simdgroup, tile_numbers<float>());
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_write<TO>(tiles, view_of(out_row + value, H * Dv, Dv - value), place, tile_numbers<float>());
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
