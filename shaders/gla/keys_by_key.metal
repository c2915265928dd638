// gla backward, one gate a step and key: grad_q, grad_k of every head and grad_g, a chunk of 32 steps at a
// time. With D = scale * grad_o v^T, S the state that entered the chunk and G the adjoint of the one that
// leaves,
//   grad_q[i] = sum over j <= i of D[i][j] k[j] o g[j+1] ... g[i] + scale * g[0] ... g[i] o (S grad_o[i]),
//   grad_k[j] = sum over i >= j of D[i][j] q[i] o g[j+1] ... g[i] + g[j+1] ... g[31] o (G v[j]).
// Pairs are split into levels as in scores.h, so that each level is one product; grad_g is the adjoint of the
// products to the middle of each level: no division, so g may be 0. Yang et al. 2024, arXiv:2312.06635,
// sec. 4.
//
// A threadgroup owns a chunk of one head, a thread 8 steps of a key. A chunk is cut at its resets; what lies
// outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gate_gradient.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename GRAD_Q,
    typename GRAD_K,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool HAS_RESET>
[[kernel]] void gla_keys_by_key(
    const device TQ* q,                 // [B, L, Hk, Dk]
    const device TK* k,                 // [B, L, Hk, Dk]
    const device TV* v,                 // [B, L, H, Dv]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    const device float* chunk_state,    // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8]
    const device float* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device TV* grad_o,            // [B, L, H, Dv]
    device GRAD_Q* grad_q_head,         // [B, L, Hk, H // Hk, Dk]
    device GRAD_K* grad_k_head,         // [B, L, Hk, H // Hk, Dk]
    device TG* grad_g,                  // [B, L, H] or [B, L, H, Dk]
    const constant int* v_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float pairs[TILE * TILE_STRIDE];
  threadgroup float gates[TILE * TILE_STRIDE];
  threadgroup float meeting[TILE * TILE_STRIDE];
  threadgroup float totals[TILE * ROW_STRIDE];
  threadgroup float masks[3 * 64];

  const int L = v_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const int own = simdgroup * TILE_ROWS;
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

  masks_fill<true>(masks, simdgroup, lane);
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !from_zero && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    tile_sum sum;
    tile_clear(sum);
    for (int value = 0; value < Dv; value += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TV, TV>(
          left,
          grad_row + value,
          factor,
          right,
          v_row + value,
          H * Dv,
          Dv - value,
          begin,
          end,
          simdgroup,
          lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_product(sum, left, right, simdgroup);
    }
    tile_put(sum, pairs, simdgroup);
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int s = 0; s < TILE_ROWS; ++s) {
      const int i = own + s;
      if (lane > i) {
        pairs[i * TILE_STRIDE + lane] = pairs[lane * TILE_STRIDE + i];
      }
    }

    for (int key = 0; key < Dk; key += TILE) {
      const int corner = key / 8 * COLUMNS * BLOCK;
      simdgroup_float8x8 total[TILE_OWN];
      tile_clear(total);
      if (meets_state && meets_adjoint) {
        states_product(total, state + corner, adjoint + corner, COLUMNS, ROWS - key / 8, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      blocks_put(total, totals, simdgroup);
      tile_load_both<TQ, TK>(
          left, q_row + key, 1.0f, right, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      gates_load<HAS_RESET>(
          gates, g + row * Dk + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);

      float grad_q[TILE_ROWS];
      float grad_k[TILE_ROWS];
      float grad_gate[TILE_ROWS];
      float carry = 0.0f;
      for (int c = 0; c < 8; ++c) {
        carry += totals[lane * ROW_STRIDE + c];
      }
      tile_clear(sum);
      for (int value = 0; meets_state && value < Dv; value += TILE) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_load<TV>(meeting, grad_row + value, H * Dv, Dv - value, begin, end, factor, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<true, WHOLE>(
            sum,
            meeting,
            state + corner + value / 8 * BLOCK,
            COLUMNS,
            COLUMNS - value / 8,
            ROWS - key / 8,
            simdgroup);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, meeting, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        const int i = own + s;
        const int cell = i * TILE_STRIDE + lane;
        grad_q[s] = gates_product<HAS_RESET>(gates, 0, i + 1, lane) * meeting[cell] +
                    pairs[i * TILE_STRIDE + i] * right[cell];
        meeting[cell] *= left[cell];
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        grad_gate[s] = grad_gate_after<HAS_RESET>(meeting, gates, 0, own + s, TILE, carry, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      tile_clear(sum);
      for (int value = 0; meets_adjoint && value < Dv; value += TILE) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_load<TV>(meeting, v_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<true, WHOLE, TV>(
            sum,
            meeting,
            adjoint + corner + value / 8 * BLOCK,
            COLUMNS,
            COLUMNS - value / 8,
            ROWS - key / 8,
            simdgroup);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, meeting, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        const int i = own + s;
        const int cell = i * TILE_STRIDE + lane;
        grad_k[s] = gates_product<HAS_RESET>(gates, i + 1, TILE, lane) * meeting[cell] +
                    pairs[i * TILE_STRIDE + i] * left[cell];
        meeting[cell] *= right[cell];
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        grad_gate[s] += grad_gate_before<HAS_RESET>(meeting, gates, 0, own + s, TILE, lane);
      }

      for (int reach = TILE / 2; reach > 0; reach /= 2) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_meet<HAS_RESET>(meeting, left, right, gates, reach, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_clear(sum);
        scores_level(sum, pairs, meeting, masks, reach, simdgroup);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_put(sum, meeting, simdgroup);
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = own + s;
          const int cell = i * TILE_STRIDE + lane;
          const bool later = (i & reach) != 0;
          const float grad = decay_to_middle<HAS_RESET>(gates, i, reach, lane) * meeting[cell];
          grad_q[s] += later ? grad : 0.0f;
          grad_k[s] += later ? 0.0f : grad;
          meeting[cell] *= later ? left[cell] : right[cell];
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = own + s;
          const int start = i & ~(reach - 1);
          grad_gate[s] +=
              (i & reach) != 0
                  ? grad_gate_after<HAS_RESET>(meeting, gates, start, i, start + reach, 0.0f, lane)
                  : grad_gate_before<HAS_RESET>(meeting, gates, start, i, start + reach, lane);
        }
      }

#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        const int i = own + s;
        if (i >= begin && i < end && lane < Dk - key) {
          const long to = (row + static_cast<long>(i) * H) * Dk + key + lane;
          grad_q_head[to] = static_cast<GRAD_Q>(grad_q[s]);
          grad_k_head[to] = static_cast<GRAD_K>(grad_k[s]);
          grad_g[to] = static_cast<TG>(HAS_RESET && resets[i] ? 0.0f : grad_gate[s]);
        }
      }
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
