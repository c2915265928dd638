// gated_delta backward, one gate a step and key: grad_q, grad_k of every head, grad_g and grad_beta, a chunk
// of 32 steps at a time. With u = beta e what is written, d its gradient, S the state that entered the chunk,
// G the adjoint of the one that leaves, D = scale * grad_o u^T, F = -beta d u^T and g(j, i) = g[j+1] ...
// g[i],
//   grad_q[i] = sum over j <= i of D[i][j] k[j] o g(j, i) + scale * g(-1, i) o (S grad_o[i]),
//   grad_k[j] = sum over i >= j of D[i][j] q[i] o g(j, i) + sum over i > j of F[i][j] k[i] o g(j, i)
//     + sum over i < j of F[j][i] k[i] o g(i, j) - g(-1, j) o (S beta[j] d[j]) + g(j, 31) o (G u[j]),
// and grad_beta = sum of d e. Pairs are split into levels as in scores.h, so that each level is one product;
// grad_g is the adjoint of the products to the middle of each level: no division, so g and beta may be 0.
// q, k are [B, L, Hk, Dk], v is [B, L, H, Dv]. Kimi Team 2025, arXiv:2510.26692, section 3.
//
// A threadgroup owns a chunk of one head, a thread 8 steps of a key. A chunk is cut at its resets; what lies
// outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gate_gradient.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"
#include "readouts.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TB,
    typename GRAD_Q,
    typename GRAD_K,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool HAS_RESET>
[[kernel]] void gated_delta_keys_by_key(
    const device TQ* q,                 // [B, L, Hk, Dk]
    const device TK* k,                 // [B, L, Hk, Dk]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,              // [B, L, H]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    const device float* chunk_state,    // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8]
    const device float* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* error,          // [B, L, H, Dv]
    const device float* grad_update,    // [B, L, H, Dv]
    const device TV* grad_o,            // [B, L, H, Dv]
    device GRAD_Q* grad_q_head,         // [B, L, Hk, H // Hk, Dk]
    device GRAD_K* grad_k_head,         // [B, L, Hk, H // Hk, Dk]
    device TG* grad_g,                  // [B, L, H] or [B, L, H, Dk]
    device TB* grad_beta,               // [B, L, H]
    const constant int* grad_o_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float after[TILE * TILE_STRIDE];
  threadgroup float before[TILE * TILE_STRIDE];
  threadgroup float gates[TILE * TILE_STRIDE];
  threadgroup float meeting[TILE * TILE_STRIDE];
  threadgroup float totals[TILE * ROW_STRIDE];
  threadgroup float masks[3 * 64];
  threadgroup float rates[TILE];

  const int L = grad_o_shape[1];
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
  auto error_row = error + row * Dv;
  auto update_row = grad_update + row * Dv;
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
    tile_sum other;
    float grad_rate[TILE_ROWS] = {};
    tile_clear(sum);
    tile_clear(other);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0) {
      rates[lane] =
          lane >= begin && lane < end ? static_cast<float>(beta[row + static_cast<long>(lane) * H]) : 0.0f;
    }
    readouts_scores<TV>(
        sum,
        other,
        grad_rate,
        left,
        right,
        meeting,
        grad_row,
        update_row,
        error_row,
        H * Dv,
        Dv,
        begin,
        end,
        simdgroup,
        lane);
    readouts_grad_rate<TB>(grad_rate, grad_beta + row, H, begin, end, simdgroup, lane);
    tile_put(sum, after, simdgroup);
    tile_put(other, before, simdgroup);
    simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int s = 0; s < TILE_ROWS; ++s) {
      const int i = own + s;
      const int cell = i * TILE_STRIDE + lane;
      after[cell] = lane <= i ? factor * rates[lane] * after[cell] : 0.0f;
      before[cell] = lane < i ? -rates[i] * rates[lane] * before[cell] : 0.0f;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int s = 0; s < TILE_ROWS; ++s) {
      const int i = own + s;
      if (lane > i) {
        after[i * TILE_STRIDE + lane] = after[lane * TILE_STRIDE + i];
        before[i * TILE_STRIDE + lane] = before[lane * TILE_STRIDE + i];
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
      float kept[TILE_ROWS];
      float carry = 0.0f;
      for (int c = 0; c < 8; ++c) {
        carry += totals[lane * ROW_STRIDE + c];
      }
      tile_clear(sum);
      tile_clear(other);
      if (meets_state) {
        readouts_state<false, WHOLE>(
            sum,
            meeting,
            grad_row,
            rates,
            state + corner,
            H * Dv,
            Dv,
            Dk - key,
            begin,
            end,
            factor,
            simdgroup,
            lane);
        readouts_state<true, WHOLE>(
            other,
            meeting,
            update_row,
            rates,
            state + corner,
            H * Dv,
            Dv,
            Dk - key,
            begin,
            end,
            -1.0f,
            simdgroup,
            lane);
      }
      readouts_take(kept, sum, meeting, simdgroup, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(other, meeting, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        const int i = own + s;
        const int cell = i * TILE_STRIDE + lane;
        const float decay = gates_product<HAS_RESET>(gates, 0, i + 1, lane);
        const float same = after[i * TILE_STRIDE + i];
        grad_q[s] = decay * kept[s] + same * right[cell];
        grad_k[s] = decay * meeting[cell] + same * left[cell];
        meeting[cell] = meeting[cell] * right[cell] + kept[s] * left[cell];
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        grad_gate[s] = grad_gate_after<HAS_RESET>(meeting, gates, 0, own + s, TILE, carry, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      tile_clear(sum);
      if (meets_adjoint) {
        readouts_state<true, WHOLE>(
            sum,
            meeting,
            error_row,
            rates,
            adjoint + corner,
            H * Dv,
            Dv,
            Dk - key,
            begin,
            end,
            1.0f,
            simdgroup,
            lane);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, meeting, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
      for (int s = 0; s < TILE_ROWS; ++s) {
        const int cell = (own + s) * TILE_STRIDE + lane;
        grad_k[s] += gates_product<HAS_RESET>(gates, own + s + 1, TILE, lane) * meeting[cell];
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
        scores_level(sum, after, meeting, masks, reach, simdgroup);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        readouts_take(kept, sum, meeting, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_meet<HAS_RESET>(meeting, right, right, gates, reach, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_clear(sum);
        scores_level(sum, before, meeting, masks, reach, simdgroup);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_put(sum, meeting, simdgroup);
        simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = own + s;
          const int cell = i * TILE_STRIDE + lane;
          const bool later = (i & reach) != 0;
          const float decay = decay_to_middle<HAS_RESET>(gates, i, reach, lane);
          grad_q[s] += later ? decay * kept[s] : 0.0f;
          grad_k[s] += decay * (later ? meeting[cell] : meeting[cell] + kept[s]);
          meeting[cell] = meeting[cell] * right[cell] + kept[s] * (later ? left[cell] : right[cell]);
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
