// gla with one gate a step, what is mixed over time, a chunk of 32 steps at a time, with W[i][j] = scale *
// sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i. Forward: o[i] = sum over j of W[i][j] v[j] + scale *
// q'[i] . S, where S entered the chunk and q' is q times the gates up to i. REVERSE: grad_v[j] = sum over i
// of W[i][j] grad_o[i] + k'[j] . S, where S is the adjoint of the state that leaves and k' is k times the
// gates after j. RATED: v[j] is values[j] times the second of rates of step j. READY: rates are what
// gates.metal makes. With neither, rates are not read. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/columns.h"
#include "../common/gates.h"
#include "../common/raw_columns.h"
#include "../common/scores.h"
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
    bool RAW,
    bool READY,
    bool HAS_RESET>
[[kernel]] void gla_values(
    const device TQ* q,            // [B, L, Hk, Dk]
    const device TK* k,            // [B, L, Hk, Dk]
    const device TV* values,       // [B, L, H, Dv]
    const device TG* g,            // [B, L, H] or [B, L, H, Dk]
    const device TR* rates,        // [B, L, H] or [B, L, H, Dk] or [B, H, CHUNKS, 3, 32] or
                                   // [B, H, CHUNKS, 4, 32]
    const device bool* reset,      // [B, L]
    const device float* scale,     // [1]
    const device TS* chunk_state,  // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or
                                   // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device TO* mixed,              // [B, L, H, Dv]
    const constant int* values_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  using Rows = conditional_t<REVERSE, TK, TQ>;
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % (2 * TILE_BLOCKS) == 0 && COLUMNS % (2 * TILE_BLOCKS) == 0;
  constexpr int SIZE = RAW ? RAW_SIZE : TILE_SIZE;
  using Gate = conditional_t<READY, float, TG>;
  using Tile = conditional_t<RAW, TS, float>;
  threadgroup Tile left[2 * SIZE];
  threadgroup Tile right[2 * SIZE];
  threadgroup float weights[TILE_SIZE];
  threadgroup float gates[TILE];
  threadgroup float decays[TILE * ROW_STRIDE];

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
  auto resets = reset + (HAS_RESET ? first : 0);
  const int states = chunk_state_shape[2];
  const int unkept = chunks - states;
  const bool from_zero = chunk < unkept;  // what it reads of another's state is dropped
  const long own_head = static_cast<long>(batch) * H + head;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto own_rates = rates + (READY   ? (own_head * chunks + chunk) * 4 * TILE
                            : RATED ? ((own_head * chunks + chunk) * 3 + 1) * TILE
                                    : 0);
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place = {begin, end, simdgroup, lane};
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !(HAS_RESET && resets[0]);
    const bool there = lane >= begin && lane < end;
    const float rate = !RATED ? 1.0f : there ? static_cast<float>(own_rates[lane]) : 0.0f;

    // 64 values at once: what their steps read of the state, 64 keys at once, and with the first the scores.
    // All that a pass needs is fetched before it begins.
    gates_part<false, Gate> own_gates;
    float kept = 0.0f;
    if (READY) {
      const bool outside = HAS_RESET && lane < steps && !there;
      own_gates.at[0] = outside ? static_cast<Gate>(0.0f) : static_cast<Gate>(own_rates[lane]);
      kept = static_cast<float>(own_rates[(REVERSE ? 2 : 1) * TILE + lane]);
    } else {
      gates_fetch_once<HAS_RESET, Gate>(own_gates, view_of(g + row, H, 1), resets, steps, place);
    }
    for (int value = 0; value < Dv; value += 2 * TILE) {
      simdgroup_float8x8 scores[TILE_OWN][TILE_OWN];
      column_sum sum;
      conditional_t<RAW, raw_column_rows<TS>, column_rows<TV>> own_values;
      tile_clear(scores[0]);
      tile_clear(scores[1]);
      columns_clear(sum);
      columns_fetch(own_values, view_of(value_row + value, H * Dv, Dv - value), place);
      for (int key = 0; key < Dk; key += 2 * TILE) {
        conditional_t<RAW, raw_column_rows<TS>, column_rows<TQ>> own_q;
        conditional_t<RAW, raw_column_rows<TS>, column_rows<TK>> own_k;
        const bool reads_q = value == 0 || !REVERSE;
        const bool reads_k = value == 0 || REVERSE;
        if (reads_q) {
          columns_fetch(own_q, view_of(q_row + key, Hk * Dk, Dk - key), place);
        }
        if (reads_k) {
          columns_fetch(own_k, view_of(k_row + key, Hk * Dk, Dk - key), place);
        }
        column_state<TS> own_state;
        auto entry = state + (key / 8 * COLUMNS + value / 8) * BLOCK;
        const int rows = ROWS - key / 8;
        const int columns = COLUMNS - value / 8;
        if (meets_state) {
          columns_fetch_state<WHOLE, TS>(own_state, blocks_of(entry, COLUMNS, rows, columns), simdgroup);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (reads_q) {
          columns_keep(left, own_q, place);
        }
        if (reads_k) {
          columns_keep(right, own_k, place);
        }
        gates_keep<false, Gate>(gates, own_gates, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
#ifdef __HAVE_SIMDGROUP_BLOCKS__  // What was fetched ahead is in registers, which have no index.
#pragma clang loop unroll(full)
#endif
        for (int part = 0; part < 2; ++part) {
          const int first_row = part * TILE_BLOCKS;
          auto queries = tile_at(left, part);
          auto keys = tile_at(right, part);
          if (value == 0 && first_row < rows && simdgroup < COLUMN_SIMDGROUPS - 1) {
            scores_square<TQ, TK>(scores, queries, keys, simdgroup);
          }
          if (meets_state && first_row < rows) {
            columns_product_state<WHOLE, Rows, TS>(
                sum,
                REVERSE ? keys : queries,
                own_state,
                blocks_of(entry, COLUMNS, rows, columns),
                first_row,
                simdgroup);
          }
        }
      }
      if (value == 0 && simdgroup < COLUMN_SIMDGROUPS - 1) {
        scores_put_square(scores, weights, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (value == 0) {
        scores_decay<HAS_RESET, COLUMN_ROWS>(weights, gates, rate * factor, simdgroup, lane);
        if (!READY) {
          kept = REVERSE ? gates_between<HAS_RESET>(gates, TILE, lane) : gates_upto<HAS_RESET>(gates, lane);
        }
        for (int c = simdgroup; c < 8; c += COLUMN_SIMDGROUPS) {
          decays[lane * ROW_STRIDE + c] = REVERSE ? kept : factor * kept;
        }
      }
      if (!REVERSE && from_zero) {
        columns_clear(sum);
      }
      columns_keep(left, own_values, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_scale<HAS_RESET>(sum, decays);
      columns_product<true, REVERSE, TS, TV>(sum, weights, left, simdgroup);
      columns_put(sum, right, simdgroup, tile_numbers<Tile>());
      threadgroup_barrier(mem_flags::mem_threadgroup);
      columns_write<TO>(right, view_of(out_row + value, H * Dv, Dv - value), place, tile_numbers<Tile>());
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
