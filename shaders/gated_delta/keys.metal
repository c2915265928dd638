// gated_delta backward, one gate a step: grad_q, grad_k, grad_erase of every head, grad_g and grad_beta, a
// chunk of 32 steps at a time. With M[i][j] = g[j+1] ... g[i] for j <= i, u = beta e what is written, d its
// gradient, S the state that entered the chunk, G the adjoint of the one that leaves it, P[i] = g[0] ...
// g[i], E[j] = g[j+1] ... g[31], D = scale * grad_o u^T, and F = -beta d u^T for j < i, 0 else,
//   grad_q = (M o D) k + scale * P o (grad_o S^T),
//   grad_k = (M o D)^T q + (M o F)^T r + E o (u G^T), grad_beta = sum of d e,
//   grad_r = (M o F) k - P o (beta d S^T), where r is erase or else k: then grad_k is the sum of both,
// and grad_g is the adjoint of the recurrences that built M, P, E: no division, so g and beta may be 0. q, k,
// erase are [B, L, Hk, Dk], v is [B, L, H, Dv]. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gate_gradient.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/state_products.h"
#include "../common/tile.h"
#include "readouts.h"

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
    int TOGETHER,
    bool AHEAD,
    bool HAS_ERASE,
    bool HAS_RESET>
[[kernel]] void gated_delta_keys(
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
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float pairs[TILE * TILE_STRIDE];
  threadgroup float after[TILE * TILE_STRIDE];
  threadgroup float before[TILE * TILE_STRIDE];
  threadgroup float entering[TILE * ROW_STRIDE];
  threadgroup float leaving[TILE * ROW_STRIDE];
  threadgroup float read_rates[TILE * ROW_STRIDE];
  threadgroup float write_rates[TILE * ROW_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float rates[TILE];
  threadgroup float grad_gates[TILE];
  threadgroup float partial[TILE_SIMDGROUPS];

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
  const bool from_zero = chunk < unkept;  // what it reads of another's state is dropped
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

  const readouts_tiles<threadgroup float*> tiles = {
      left,
      right,
      pairs,
      after,
      before,
      entering,
      leaving,
      read_rates,
      write_rates,
      gates,
      upto,
      behind,
      rates,
      grad_gates};
  const auto source = readouts_of(grad_row, update_row, error_row, H * Dv);
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place = {begin, end, simdgroup, lane};
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    // What a step has one of is on its way while the first keys are fetched.
    gates_part<false, TG> own_gates;
    gates_fetch_once<HAS_RESET, TG>(own_gates, view_of(g + row, H, 1), resets, steps, place);
    const TB own_rate = lane >= begin && lane < end ? beta[row + lane * H] : static_cast<TB>(0.0f);

    tile_sum sum;
    tile_sum other;
    tile_clear(sum);
    tile_clear(other);
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TQ, TK>(
          left,
          view_of(q_row + key, Hk * Dk, Dk - key),
          right,
          view_of(k_row + key, Hk * Dk, Dk - key),
          place);
      if (HAS_ERASE) {
        tile_load<TE>(pairs, view_of(erase_row + key, Hk * Dk, Dk - key), 1.0f, place);
      }
      if (key == 0) {
        gates_keep<false, TG>(gates, own_gates, simdgroup, lane);
        if (simdgroup == 0) {
          rates[lane] = static_cast<float>(own_rate);
        }
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_product<TQ, TK>(sum, left, right, simdgroup);
      scores_product<conditional_t<HAS_ERASE, TE, TK>, TK>(
          other, HAS_ERASE ? pairs : right, right, simdgroup);
    }
    tile_put(sum, after, simdgroup);
    tile_put(other, before, simdgroup);
    gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);

    readouts_sums sums;
    readouts_clear(sums);
    simdgroup_float8x8 grad_entering[TILE_OWN];
    simdgroup_float8x8 grad_leaving[TILE_OWN];
    tile_clear(grad_entering);
    tile_clear(grad_leaving);
    for (int value = 0; !AHEAD && value < Dv; value += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      readouts_load<TV, TU, AHEAD>(tiles, source, value, Dv - value, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      readouts_add<TV, TU>(sums, tiles, place);
    }
    if (!AHEAD) {
      readouts_grad_rate<TB>(sums, grad_beta + row, H, place);
      readouts_weigh<HAS_ERASE, HAS_RESET>(tiles, sums, factor, place);
    }
    float inner = 0.0f;
    const auto value_rows = states_rows_of(left, right, pairs);
    // TOGETHER tiles of keys at once: what grad_o, d and e make of the states and, if AHEAD, with the first
    // keys their scores.
    for (int base = 0; base < Dk; base += TOGETHER * TILE) {
      states_sums grads[TOGETHER];
#pragma clang loop unroll(full)
      for (int t = 0; t < TOGETHER; ++t) {
        states_clear(grads[t]);
      }
      for (int value = 0; value < Dv; value += TILE) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        readouts_load<TV, TU, AHEAD>(tiles, source, value, Dv - value, place);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (AHEAD && base == 0) {
          readouts_add<TV, TU>(sums, tiles, place);
        }
#pragma clang loop unroll(full)
        for (int t = 0; t < TOGETHER; ++t) {
          const int key = base + t * TILE;
          const int corner = (key / 8 * COLUMNS + value / 8) * BLOCK;
          const int columns = COLUMNS - value / 8;
          const int rows = ROWS - key / 8;
          if (key < Dk) {
            const states_met<const device TS*> met = {
                blocks_of(state + corner, COLUMNS, rows, columns),
                blocks_of(adjoint + corner, COLUMNS, rows, columns),
                meets_state,
                meets_adjoint};
            states_products<WHOLE, true, TV, TU, TU, TS>(grads[t], inner, value_rows, met, simdgroup);
          }
        }
      }
      if (AHEAD && base == 0) {
        readouts_grad_rate<TB>(sums, grad_beta + row, H, place);
        readouts_weigh<HAS_ERASE, HAS_RESET>(tiles, sums, factor, place);
      }

#pragma clang loop unroll(full)
      for (int t = 0; t < TOGETHER; ++t) {
        const int key = base + t * TILE;
        if (key < Dk) {
          threadgroup_barrier(mem_flags::mem_threadgroup);
          tile_load_both<TQ, TK>(
              left,
              view_of(q_row + key, Hk * Dk, Dk - key),
              right,
              view_of(k_row + key, Hk * Dk, Dk - key),
              place);
          threadgroup_barrier(mem_flags::mem_threadgroup);
          if (from_zero) {
            tile_clear(grads[t].queries);
            tile_clear(grads[t].reads);
          }
          tile_times(grads[t].queries, factor);
          tile_weigh(grads[t].queries, grad_entering, left, entering, simdgroup);
          tile_product_lower<false, TS, TK>(grads[t].queries, after, right, simdgroup);
          tile_put(grads[t].queries, pairs, simdgroup);
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_store<GRAD_Q>(pairs, view_of(grad_q_head + row * Dk + key, H * Dk, Dk - key), place);

          tile_scale<false>(grads[t].reads, read_rates, simdgroup);
          tile_scale<false>(grads[t].writes, write_rates, simdgroup);
          tile_weigh(grads[t].writes, grad_leaving, right, leaving, simdgroup);
          if (HAS_ERASE) {
            simdgroup_barrier(mem_flags::mem_threadgroup);
            tile_load<TE>(pairs, view_of(erase_row + key, Hk * Dk, Dk - key), 1.0f, place);
            threadgroup_barrier(mem_flags::mem_threadgroup);
            tile_weigh(grads[t].reads, grad_entering, pairs, entering, simdgroup);
            tile_product_lower<false, TS, TK>(grads[t].reads, before, right, simdgroup);
            tile_product_lower<true, TS, TQ>(grads[t].writes, after, left, simdgroup);
            tile_product_lower<true, TS, TE>(grads[t].writes, before, pairs, simdgroup);
            threadgroup_barrier(mem_flags::mem_threadgroup);
            tile_put(grads[t].reads, left, simdgroup);
            tile_put(grads[t].writes, pairs, simdgroup);
            simdgroup_barrier(mem_flags::mem_threadgroup);
            tile_store<GRAD_E>(left, view_of(grad_erase_head + row * Dk + key, H * Dk, Dk - key), place);
          } else {
            tile_weigh(grads[t].reads, grad_entering, right, entering, simdgroup);
            tile_add(grads[t].reads, grads[t].writes);
            tile_product<false, false, TS, TK>(grads[t].reads, before, right, simdgroup);
            tile_product_lower<true, TS, TQ>(grads[t].reads, after, left, simdgroup);
            simdgroup_barrier(mem_flags::mem_threadgroup);
            tile_put(grads[t].reads, pairs, simdgroup);
            simdgroup_barrier(mem_flags::mem_threadgroup);
          }
          tile_store<GRAD_K>(pairs, view_of(grad_k_head + row * Dk + key, H * Dk, Dk - key), place);
        }
      }
    }

    // What the whole chunk does to the state: grad_g of its decay is the inner product of S and G.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    states_keep_inner(partial, inner, simdgroup, lane);
    row_sums(grad_entering, pairs, left, simdgroup, lane);
    row_sums(grad_leaving, pairs + TILE, right, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0 && lane >= begin && lane < end) {
      const float decay = from_zero ? 0.0f : partial[0] + partial[1];
      const float earlier = lane > 0 ? entering[(lane - 1) * ROW_STRIDE] : 1.0f;
      const float by_states =
          grad_gate_of_states<HAS_RESET>(pairs, pairs + TILE, decay, gates, earlier, behind[lane], lane);
      const bool forgets = HAS_RESET && resets[lane];
      grad_g[row + static_cast<long>(lane) * H] =
          static_cast<TG>(forgets ? 0.0f : grad_gates[lane] + by_states);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
