// gla backward, one gate a step: grad_q, grad_k of every head and grad_g, a chunk of 32 steps at a time. With
// M[i][j] = g[j+1] ... g[i] for j <= i, A = q k^T, D = scale * grad_o v^T, S the state that entered the
// chunk, G the adjoint of the state that leaves it, P[i] = g[0] ... g[i] and E[j] = g[j+1] ... g[31]:
//   grad_q = (M o D) k + scale * P o (grad_o S^T), grad_k = (M o D)^T q + E o (v G^T),
// and grad_g is the adjoint of the recurrences that built M, P, E: no division, so g may be 0. q, k are
// [B, L, Hk, Dk], v is [B, L, H, Dv]. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gate_gradient.h"
#include "../common/gates.h"
#include "../common/raw_tile.h"
#include "../common/scores.h"
#include "../common/state_products.h"
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
    int TOGETHER,
    bool RAW,
    bool HAS_RESET>
[[kernel]] void gla_keys(
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
  constexpr int SIZE = RAW ? RAW_SIZE : TILE_SIZE;
  using Tile = conditional_t<RAW, TS, float>;
  threadgroup Tile left[SIZE];
  threadgroup Tile right[SIZE];
  threadgroup float decays[TILE_SIZE];
  threadgroup float pairs[TILE_SIZE];
  threadgroup float weights[TILE_SIZE];
  threadgroup float entering[TILE * ROW_STRIDE];
  threadgroup float leaving[TILE * ROW_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float grad_gates[TILE];
  threadgroup float partial[TILE_SIMDGROUPS];

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
  const bool from_zero = chunk < unkept;  // what it reads of another's state is dropped
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto v_row = v + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto adjoint = chunk_adjoint + (own_head * chunks + chunk) * ROWS * COLUMNS * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place = {begin, end, simdgroup, lane};
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    // The gates are on their way while the first keys are fetched.
    gates_part<false, TG> own_gates;
    gates_fetch_once<HAS_RESET, TG>(own_gates, view_of(g + row, H, 1), resets, steps, place);

    tile_sum sum;
    tile_clear(sum);
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
    }
    tile_put(sum, pairs, simdgroup);
    gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);

    // TOGETHER tiles of keys at once. What grad_o and v make of the states, and with the first ones the
    // scores.
    simdgroup_float8x8 grad_entering[TILE_OWN];
    simdgroup_float8x8 grad_leaving[TILE_OWN];
    tile_clear(grad_entering);
    tile_clear(grad_leaving);
    float inner = 0.0f;
    const auto value_rows = states_rows_of(left, left, right);
    for (int base = 0; base < Dk; base += TOGETHER * TILE) {
      states_sums grads[TOGETHER];
#pragma clang loop unroll(full)
      for (int t = 0; t < TOGETHER; ++t) {
        states_clear(grads[t]);
      }
      tile_clear(sum);
      for (int value = 0; value < Dv; value += TILE) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_load_both<TV, TV>(
            left,
            view_of(grad_row + value, H * Dv, Dv - value),
            right,
            view_of(v_row + value, H * Dv, Dv - value),
            place);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (base == 0) {
          scores_product<TV, TV>(sum, left, right, simdgroup);
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
            states_products<WHOLE, false, TV, TV, TV, TS>(grads[t], inner, value_rows, met, simdgroup);
          }
        }
      }
      if (base == 0) {
        tile_put(sum, weights, simdgroup);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (int c = simdgroup; c < 8; c += TILE_SIMDGROUPS) {
          entering[lane * ROW_STRIDE + c] = upto[lane];
          leaving[lane * ROW_STRIDE + c] = behind[lane];
        }

        // From here on pairs[i][j] is the adjoint of M[i][j], and weights = M o D; decays holds M.
        float weight = gates_between<HAS_RESET>(gates, simdgroup * TILE_ROWS, lane);
#pragma clang loop unroll(full)
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = simdgroup * TILE_ROWS + s;
          const int pair = i * TILE_STRIDE + lane;
          weight = i == lane ? 1.0f : decayed<HAS_RESET>(weight, gates[i]);
          const float score = factor * weights[pair];
          pairs[pair] = lane < i ? pairs[pair] * score : 0.0f;
          weights[pair] = lane <= i ? score * weight : 0.0f;
          decays[pair] = weight;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        grad_gates_of_pairs<HAS_RESET>(grad_gates, pairs, decays, gates, place);
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
          }
          tile_times(grads[t].queries, factor);
          tile_weigh(grads[t].queries, grad_entering, left, entering, simdgroup);
          tile_product_lower<false, TS, TK>(grads[t].queries, weights, right, simdgroup);
          tile_put(grads[t].queries, pairs, simdgroup);
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_store<GRAD_Q>(pairs, view_of(grad_q_head + row * Dk + key, H * Dk, Dk - key), place);
          tile_weigh(grads[t].writes, grad_leaving, right, leaving, simdgroup);
          tile_product_lower<true, TS, TQ>(grads[t].writes, weights, left, simdgroup);
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_put(grads[t].writes, pairs, simdgroup);
          simdgroup_barrier(mem_flags::mem_threadgroup);
          tile_store<GRAD_K>(pairs, view_of(grad_k_head + row * Dk + key, H * Dk, Dk - key), place);
        }
      }
    }

    // What the whole chunk does to the state: grad_g of its decay is the inner product of S and G.
    threadgroup_barrier(mem_flags::mem_threadgroup);
    states_keep_inner(partial, inner, simdgroup, lane);
    row_sums(grad_entering, pairs, decays, simdgroup, lane);
    row_sums(grad_leaving, pairs + TILE, weights, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0 && lane >= begin && lane < end) {
      const float decay = from_zero ? 0.0f : partial[0] + partial[1];
      const float before = lane > 0 ? entering[(lane - 1) * ROW_STRIDE] : 1.0f;
      const float by_states =
          grad_gate_of_states<HAS_RESET>(pairs, pairs + TILE, decay, gates, before, behind[lane], lane);
      const bool forgets = HAS_RESET && resets[lane];
      grad_g[row + static_cast<long>(lane) * H] =
          static_cast<TG>(forgets ? 0.0f : grad_gates[lane] + by_states);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
