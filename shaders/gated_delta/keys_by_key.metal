// gated_delta backward, one gate a step and key: grad_q, grad_k, grad_erase of every head, grad_g and
// grad_beta, a chunk of 32 steps at a time. With u = beta e what is written, d its gradient, S the state that
// entered the chunk, G the adjoint of the one that leaves, r the erase or else the write key, D = scale *
// grad_o u^T, F = -beta d u^T and g(j, i) = g[j+1] ... g[i],
//   grad_q[i] = sum over j <= i of D[i][j] k[j] o g(j, i) + scale * g(-1, i) o (S grad_o[i]),
//   grad_k[j] = sum over i >= j of D[i][j] q[i] o g(j, i) + sum over i > j of F[i][j] r[i] o g(j, i)
//     + g(j, 31) o (G u[j]),
//   grad_r[i] = sum over j < i of F[i][j] k[j] o g(j, i) - g(-1, i) o (S beta[i] d[i]), which is a part of
//     grad_k without erase,
// and grad_beta = sum of d e. grad_g and how pairs of steps meet: key_gradients.h. q, k, erase are [B, L, Hk,
// Dk], v is [B, L, H, Dv]. Kimi Team 2025, arXiv:2510.26692, section 3.
//
// A threadgroup owns a chunk of one head, 32 keys at a time. A chunk is cut at its resets; what lies outside
// a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_gradients.h"
#include "../common/key_states.h"
#include "../common/scores.h"
#include "../common/simd_sums.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TB,
    typename TE,
    typename TS,
    typename TU,
    typename GRAD_Q,
    typename GRAD_K,
    typename GRAD_E,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool AHEAD,
    bool HAS_ERASE,
    bool HAS_RESET>
[[kernel]] void gated_delta_keys_by_key(
    const device TQ* q,              // [B, L, Hk, Dk]
    const device TK* k,              // [B, L, Hk, Dk]
    const device TG* g,              // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,           // [B, L, H]
    const device TE* erase,          // [B, L, Hk, Dk]
    const device bool* reset,        // [B, L]
    const device float* scale,       // [1]
    const device TS* chunk_state,    // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8]
    const device TS* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device TU* error,          // [B, L, H, Dv]
    const device TU* grad_update,    // [B, L, H, Dv]
    const device TV* grad_o,         // [B, L, H, Dv]
    device GRAD_Q* grad_q_head,      // [B, L, Hk, H // Hk, Dk]
    device GRAD_K* grad_k_head,      // [B, L, Hk, H // Hk, Dk]
    device TG* grad_g,               // [B, L, H] or [B, L, H, Dk]
    device TB* grad_beta,            // [B, L, H]
    device GRAD_E* grad_erase_head,  // [B, ERASED, Hk, H // Hk, Dk]
    const constant int* grad_o_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr int READS = HAS_ERASE ? KEY_READS_ERASE : KEY_READS_OWN;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  // grad_o, d and e of 32 values, then their products with the states, then what key_gradients keeps there.
  threadgroup float tiles[3 * TILE * TILE_STRIDE];
  threadgroup float pairs[2 * TILE * TILE_STRIDE];  // D and F
  threadgroup float notes[KEY_NOTES * TILE];
  threadgroup float totals[TILE * ROW_STRIDE];
  threadgroup float rates[TILE];

  const int L = grad_o_shape[1];
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
  auto erase_row = erase + (HAS_ERASE ? (first * Hk + head / (H / Hk)) * Dk : 0);
  auto error_row = error + row * Dv;
  auto update_row = grad_update + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto adjoint = chunk_adjoint + (own_head * chunks + chunk) * ROWS * COLUMNS * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  auto outputs = tiles;
  auto updates = tiles + TILE * TILE_STRIDE;
  auto errors = updates + TILE * TILE_STRIDE;
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !from_zero && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;
    const tile_place place = {begin, end, simdgroup, lane};

    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0) {
      rates[lane] =
          lane >= begin && lane < end ? static_cast<float>(beta[row + static_cast<long>(lane) * H]) : 0.0f;
    }
    key_sum after;
    key_sum before;
    float grad_rate[KEY_STEPS] = {};
    key_clear(after);
    key_clear(before);
    for (int value = 0; value < Dv; value += TILE) {
      TV output_rows[KEY_STEPS];
      TU update_rows[KEY_STEPS];
      TU error_rows[KEY_STEPS];
      key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
      key_fetch<TU>(update_rows, view_of(update_row + value, H * Dv, Dv - value), place);
      key_fetch<TU>(error_rows, view_of(error_row + value, H * Dv, Dv - value), place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_keep<TV, KEY_STEPS>(outputs, output_rows, 1.0f, simdgroup, lane);
      tile_keep<TU, KEY_STEPS>(updates, update_rows, 1.0f, simdgroup, lane);
      tile_keep<TU, KEY_STEPS>(errors, error_rows, 1.0f, simdgroup, lane);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        grad_rate[i] =
            fma(static_cast<float>(update_rows[i]), static_cast<float>(error_rows[i]), grad_rate[i]);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup < KEY_BLOCKS - 1) {
        scores_square<TV, TU>(after.at, outputs, errors, simdgroup);
        scores_square<TU, TU>(before.at, updates, errors, simdgroup);
      }
    }
    const float grad = key_step_sums(grad_rate, lane);
    const int step = simdgroup * KEY_STEPS + lane / 4;
    if (lane % 4 == 0 && step >= begin && step < end) {
      grad_beta[row + static_cast<long>(step) * H] = static_cast<TB>(grad);
    }
    if (simdgroup < KEY_BLOCKS - 1) {
      scores_put_square(after.at, pairs, simdgroup);
      scores_put_square(before.at, pairs + TILE * TILE_STRIDE, simdgroup);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      const int cell = key_cell(place, i);
      pairs[cell] *= factor * rates[lane];
      pairs[TILE * TILE_STRIDE + cell] *= -rates[simdgroup * KEY_STEPS + i] * rates[lane];
    }

    for (int key = 0; key < Dk; key += TILE) {
      const int corner = key / 8 * COLUMNS * BLOCK;
      key_sum read_q;
      key_sum read_k;
      key_sum written;
      key_clear(read_q);
      key_clear(read_k);
      key_clear(written);
      for (int value = 0; value < Dv; value += TILE) {
        TV output_rows[KEY_STEPS];
        TU update_rows[KEY_STEPS];
        TU error_rows[KEY_STEPS];
        key_state<TS> entering;
        key_state<TS> leaving;
        const int at = corner + value / 8 * BLOCK;
        const int columns = COLUMNS - value / 8;
        key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
        key_fetch<TU>(update_rows, view_of(update_row + value, H * Dv, Dv - value), place);
        key_fetch<TU>(error_rows, view_of(error_row + value, H * Dv, Dv - value), place);
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
        tile_keep<TU, KEY_STEPS>(updates, update_rows, 1.0f, simdgroup, lane);
        tile_keep<TU, KEY_STEPS>(errors, error_rows, 1.0f, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (!AHEAD && meets_state) {
          key_fetch_state<WHOLE, TS>(
              entering, blocks_of(state + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        if (meets_state) {
          key_product_state<WHOLE, TV, TS>(read_q, outputs, entering, columns, simdgroup);
          key_product_state<WHOLE, TU, TS>(read_k, updates, entering, columns, simdgroup);
        }
        if (!AHEAD && meets_adjoint) {
          key_fetch_state<WHOLE, TS>(
              leaving, blocks_of(adjoint + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
        }
        if (meets_adjoint) {
          key_product_state<WHOLE, TU, TS>(written, errors, leaving, columns, simdgroup);
        }
      }

      TQ q_rows[KEY_STEPS];
      TK k_rows[KEY_STEPS];
      TE erase_rows[KEY_STEPS];
      TG gate_rows[KEY_STEPS];
      key_fetch<TQ>(q_rows, view_of(q_row + key, Hk * Dk, Dk - key), place);
      key_fetch<TK>(k_rows, view_of(k_row + key, Hk * Dk, Dk - key), place);
      if (HAS_ERASE) {
        key_fetch<TE>(erase_rows, view_of(erase_row + key, Hk * Dk, Dk - key), place);
      }
      key_fetch_gates<HAS_RESET, TG>(
          gate_rows, view_of(g + row * Dk + key, H * Dk, Dk - key), resets, steps, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      key_put(read_q, outputs, simdgroup);
      key_put(read_k, updates, simdgroup);
      key_put(written, errors, simdgroup);
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
        const float rate = rates[simdgroup * KEY_STEPS + i];
        own.q[i] = static_cast<float>(q_rows[i]);
        own.k[i] = static_cast<float>(k_rows[i]);
        own.erase[i] = HAS_ERASE ? static_cast<float>(erase_rows[i]) : 0.0f;
        own.entering_q[i] = factor * outputs[cell];
        own.entering_k[i] = -rate * updates[cell];
        own.leaving[i] = rate * errors[cell];
      }
      key_gradients<READS, HAS_RESET>(own, gates, tiles, pairs, notes, total, place);
#pragma clang loop unroll(full)
      for (int i = 0; HAS_RESET && i < KEY_STEPS; ++i) {
        const int at = simdgroup * KEY_STEPS + i;
        own.grad_gate[i] = at < steps && resets[at] ? 0.0f : own.grad_gate[i];
      }
      const long to = row * Dk + key;
      const int there = Dk - key;
      rows_store<GRAD_Q>(own.entering_q, view_of(grad_q_head + to, H * Dk, there), place);
      if (HAS_ERASE) {
        rows_store<GRAD_K>(own.leaving, view_of(grad_k_head + to, H * Dk, there), place);
        rows_store<GRAD_E>(own.entering_k, view_of(grad_erase_head + to, H * Dk, there), place);
      } else {
        rows_store<GRAD_K>(own.entering_k, view_of(grad_k_head + to, H * Dk, there), place);
      }
      rows_store<TG>(own.grad_gate, view_of(grad_g + to, H * Dk, there), place);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
