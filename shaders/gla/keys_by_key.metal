// gla backward, one gate a step and key: grad_q, grad_k of every head and grad_g, a chunk of 32 steps at a
// time. With D = scale * grad_o v^T, S the state that entered the chunk and G the adjoint of the one that
// leaves,
//   grad_q[i] = sum over j <= i of D[i][j] k[j] o g[j+1] ... g[i] + scale * g[0] ... g[i] o (S grad_o[i]),
//   grad_k[j] = sum over i >= j of D[i][j] q[i] o g[j+1] ... g[i] + g[j+1] ... g[31] o (G v[j]).
// grad_g and how pairs of steps meet: key_gradients.h. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head, 32 keys at a time. A chunk is cut at its resets; what lies outside
// a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_gradients.h"
#include "../common/key_states.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TS,
    typename GRAD_Q,
    typename GRAD_K,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool AHEAD,
    bool HAS_RESET>
[[kernel]] void gla_keys_by_key(
    const device TQ* q,              // [B, L, Hk, Dk]
    const device TK* k,              // [B, L, Hk, Dk]
    const device TV* v,              // [B, L, H, Dv]
    const device TG* g,              // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,        // [B, L]
    const device float* scale,       // [1]
    const device TS* chunk_state,    // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8]
    const device TS* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device TV* grad_o,         // [B, L, H, Dv]
    device GRAD_Q* grad_q_head,      // [B, L, Hk, H // Hk, Dk]
    device GRAD_K* grad_k_head,      // [B, L, Hk, H // Hk, Dk]
    device TG* grad_g,               // [B, L, H] or [B, L, H, Dk]
    const constant int* v_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  // grad_o and v of 32 values, then their products with the states, then what key_gradients keeps there.
  threadgroup float tiles[2 * TILE * TILE_STRIDE];
  threadgroup float pairs[TILE * TILE_STRIDE];  // D
  threadgroup float notes[KEY_NOTES * TILE];
  threadgroup float totals[TILE * ROW_STRIDE];

  const int L = v_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long own_head = static_cast<long>(batch) * H + head;
  const int states = chunk_state_shape[2];
  const int unkept = chunks - states;
  const bool from_zero = chunk < unkept;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto v_row = v + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto adjoint = chunk_adjoint + (own_head * chunks + chunk) * ROWS * COLUMNS * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  auto outputs = tiles;
  auto values = tiles + TILE * TILE_STRIDE;
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !from_zero && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;
    const tile_place place = {begin, end, simdgroup, lane};

    key_sum after;
    key_clear(after);
    for (int value = 0; value < Dv; value += TILE) {
      TV output_rows[KEY_STEPS];
      TV value_rows[KEY_STEPS];
      key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
      key_fetch<TV>(value_rows, view_of(v_row + value, H * Dv, Dv - value), place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_keep<TV, KEY_STEPS>(outputs, output_rows, 1.0f, simdgroup, lane);
      tile_keep<TV, KEY_STEPS>(values, value_rows, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup < KEY_BLOCKS - 1) {
        scores_square<TV, TV>(after.at, outputs, values, simdgroup);
      }
    }
    if (simdgroup < KEY_BLOCKS - 1) {
      scores_put_square(after.at, pairs, simdgroup);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      pairs[key_cell(place, i)] *= factor;
    }

    for (int key = 0; key < Dk; key += TILE) {
      const int corner = key / 8 * COLUMNS * BLOCK;
      key_sum read;
      key_sum written;
      key_clear(read);
      key_clear(written);
      for (int value = 0; value < Dv; value += TILE) {
        TV output_rows[KEY_STEPS];
        TV value_rows[KEY_STEPS];
        key_state<TS> entering;
        key_state<TS> leaving;
        const int at = corner + value / 8 * BLOCK;
        const int columns = COLUMNS - value / 8;
        key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
        key_fetch<TV>(value_rows, view_of(v_row + value, H * Dv, Dv - value), place);
        if (AHEAD && meets_state) {
          key_fetch_state<WHOLE, TS>(
              entering, blocks_of(state + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        if (AHEAD && meets_adjoint) {
          key_fetch_state<WHOLE, TS>(
              leaving, blocks_of(adjoint + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_keep<TV, KEY_STEPS>(outputs, output_rows, 1.0f, simdgroup, lane);
        tile_keep<TV, KEY_STEPS>(values, value_rows, 1.0f, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (!AHEAD && meets_state) {
          key_fetch_state<WHOLE, TS>(
              entering, blocks_of(state + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        if (meets_state) {
          key_product_state<WHOLE, TV, TS>(read, outputs, entering, columns, simdgroup);
        }
        if (!AHEAD && meets_adjoint) {
          key_fetch_state<WHOLE, TS>(
              leaving, blocks_of(adjoint + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        if (meets_adjoint) {
          key_product_state<WHOLE, TV, TS>(written, values, leaving, columns, simdgroup);
        }
      }

      TQ q_rows[KEY_STEPS];
      TK k_rows[KEY_STEPS];
      TG gate_rows[KEY_STEPS];
      key_fetch<TQ>(q_rows, view_of(q_row + key, Hk * Dk, Dk - key), place);
      key_fetch<TK>(k_rows, view_of(k_row + key, Hk * Dk, Dk - key), place);
      key_fetch_gates<HAS_RESET, TG>(
          gate_rows, view_of(g + row * Dk + key, H * Dk, Dk - key), resets, steps, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      key_put(read, outputs, simdgroup);
      key_put(written, values, simdgroup);
      if (meets_state && meets_adjoint) {
        key_states_inner<TS>(totals, state + corner, adjoint + corner, ROWS - key / 8, COLUMNS, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      float total = 0.0f;
      if (meets_state && meets_adjoint) {
        total = key_total(totals, lane);
      }
      key_steps own;
      key_gates gates;
      key_products<HAS_RESET, TG>(gates, gate_rows);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        const int cell = key_cell(place, i);
        own.q[i] = static_cast<float>(q_rows[i]);
        own.k[i] = static_cast<float>(k_rows[i]);
        own.entering_q[i] = factor * outputs[cell];
        own.entering_k[i] = 0.0f;
        own.leaving[i] = values[cell];
      }
      key_gradients<KEY_READS_NONE, HAS_RESET>(own, gates, tiles, pairs, notes, total, place);
#pragma clang loop unroll(full)
      for (int i = 0; HAS_RESET && i < KEY_STEPS; ++i) {
        const int at = simdgroup * KEY_STEPS + i;
        own.grad_gate[i] = at < steps && resets[at] ? 0.0f : own.grad_gate[i];
      }
      const long to = row * Dk + key;
      const int there = Dk - key;
      rows_store<GRAD_Q>(own.entering_q, view_of(grad_q_head + to, H * Dk, there), place);
      rows_store<GRAD_K>(own.entering_k, view_of(grad_k_head + to, H * Dk, there), place);
      rows_store<TG>(own.grad_gate, view_of(grad_g + to, H * Dk, there), place);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
