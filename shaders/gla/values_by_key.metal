// gla with a gate for each key, what is mixed over time, a chunk of 32 steps at a time, with W[i][j] = scale
// * sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i. Forward: o[i] = sum over j of W[i][j] v[j] + scale
// * q'[i] . S, where S entered the chunk and q' is q times the gates up to i. REVERSE: grad_v[j] = sum over i
// of W[i][j] grad_o[i] + k'[j] . S, where S is the adjoint of the state that leaves and k' is k times the
// gates after j. RATED: v[j] is rates[j] values[j], else rates is not read. Yang et al. 2024,
// arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
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
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool REVERSE,
    bool RATED,
    bool HAS_RESET>
[[kernel]] void gla_values_by_key(
    const device TQ* q,               // [B, L, Hk, Dk]
    const device TK* k,               // [B, L, Hk, Dk]
    const device TV* values,          // [B, L, H, Dv]
    const device TG* g,               // [B, L, H] or [B, L, H, Dk]
    const device TR* rates,           // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,         // [B, L]
    const device float* scale,        // [1]
    const device float* chunk_state,  // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or
                                      // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device TO* mixed,                 // [B, L, H, Dv]
    const constant int* values_shape,
    const constant int* chunk_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[TILE * TILE_STRIDE];
  threadgroup float meeting[TILE * TILE_STRIDE];
  threadgroup float masks[3 * 64];

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
  auto state = chunk_state + ((static_cast<long>(batch) * H + head) * states + max(chunk - unkept, 0)) *
                                 ROWS * COLUMNS * BLOCK;
  const float factor = scale[0];

  masks_fill<false>(masks, simdgroup, lane);
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !from_zero && !(HAS_RESET && resets[0]);
    const bool there = lane >= begin && lane < end;
    const float rate = !RATED ? 1.0f : there ? static_cast<float>(rates[row + lane * H]) : 0.0f;

    tile_sum sum;
    simdgroup_float8x8 diagonal[TILE_OWN];
    tile_clear(diagonal);
    float same = 0.0f;
    tile_clear(sum);
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TQ, TK>(
          left, q_row + key, factor, right, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      gates_load<HAS_RESET>(
          gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_add<HAS_RESET>(sum, diagonal, same, left, right, gates, meeting, masks, simdgroup, lane);
    }
    tile_put(sum, weights, simdgroup);
    scores_put_diagonal(diagonal, weights, simdgroup);
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (lane / TILE_ROWS == simdgroup) {
      weights[lane * (TILE_STRIDE + 1)] = same;
    }
    if (RATED) {
      simdgroup_barrier(mem_flags::mem_threadgroup);
      scores_rate(weights, rate, simdgroup, lane);
    }

    for (int value = 0; value < Dv; value += TILE) {
      tile_clear(sum);
      for (int key = 0; meets_state && key < Dk; key += TILE) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        gates_load<HAS_RESET>(
            gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        float kept[TILE_ROWS];
        if (REVERSE) {
          TK rows[TILE_ROWS];
          tile_fetch<TK>(rows, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
          rows_decay<true, true, HAS_RESET, TK>(kept, rows, 1.0f, gates, gates, simdgroup, lane);
        } else {
          TQ rows[TILE_ROWS];
          tile_fetch<TQ>(rows, q_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
          rows_decay<true, false, HAS_RESET, TQ>(kept, rows, factor, gates, gates, simdgroup, lane);
        }
        tile_keep(left, kept, 1.0f, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<false, WHOLE>(
            sum,
            left,
            state + (key / 8 * COLUMNS + value / 8) * BLOCK,
            COLUMNS,
            ROWS - key / 8,
            COLUMNS - value / 8,
            simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load<TV>(right, value_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (REVERSE) {
        tile_product_lower<true, TV>(sum, weights, right, simdgroup);
      } else {
        tile_product_lower<false, TV>(sum, weights, right, simdgroup);
      }
      tile_put(sum, left, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<TO>(left, out_row + value, H * Dv, Dv - value, begin, end, simdgroup, lane);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
