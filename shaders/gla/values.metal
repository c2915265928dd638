// gla with one gate a step, what is mixed over time, a chunk of 32 steps at a time, with W[i][j] = scale *
// sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i. Forward: o[i] = sum over j of W[i][j] v[j] + scale *
// q'[i] . S, where S entered the chunk and q' is q times the gates up to i. REVERSE: grad_v[j] = sum over i
// of W[i][j] grad_o[i] + k'[j] . S, where S is the adjoint of the state that leaves and k' is k times the
// gates after j. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TO,
    int Dk,
    int Dv,
    bool REVERSE,
    bool HAS_RESET>
[[kernel]] void gla_values(
    const device TQ* q,               // [B, L, Hk, Dk]
    const device TK* k,               // [B, L, Hk, Dk]
    const device TV* values,          // [B, L, H, Dv]
    const device TG* g,               // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,         // [B, L]
    const device float* scale,        // [1]
    const device float* chunk_state,  // [B, H, CHUNKS, KEYS, VALUES]
    device TO* mixed,                 // [B, L, H, Dv]
    const constant int* k_shape,
    const constant int* values_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  using TR = conditional_t<REVERSE, TK, TQ>;
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float decays[TILE * 8];

  const int L = values_shape[1];
  const int Hk = k_shape[2];
  const int H = values_shape[2];
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
  auto state = chunk_state + ((static_cast<long>(batch) * H + head) * chunks + chunk) * ROWS * COLUMNS * 64;
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !(HAS_RESET && resets[0]);

    // Two tiles of values at once. What their steps read of the state, and with the first two the scores.
    gates_load<false, HAS_RESET>(gates, g + row, H, 1, resets, begin, end, steps, simdgroup, lane);
    for (int value = 0; value < Dv; value += 2 * TILE) {
      const bool wide = value + TILE < Dv;
      tile_sum scores;
      tile_sum sum;
      tile_sum next;
      tile_clear(scores);
      tile_clear(sum);
      tile_clear(next);
      for (int key = 0; key < Dk; key += TILE) {
        auto entry = state + key * COLUMNS * 8 + value;
        const int inners = ROWS - key / 8;
        const int columns = COLUMNS - value / 8;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_load_both<TQ, TK>(
            left, q_row + key, 1.0f, right, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (value == 0) {
          scores_product<TQ, TK>(scores, left, right, simdgroup);
        }
        if (meets_state) {
          auto reader = REVERSE ? right : left;
          tile_product_state<false, WHOLE, TR>(sum, reader, entry, COLUMNS * 8, inners, columns, simdgroup);
          if (wide) {
            tile_product_state<false, WHOLE, TR>(
                next, reader, entry + TILE, COLUMNS * 8, inners, columns - TILE_BLOCKS, simdgroup);
          }
        }
      }
      if (value == 0) {
        tile_put(scores, weights, simdgroup);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        scores_decay<HAS_RESET>(weights, gates, factor, simdgroup, lane);
        const float kept =
            REVERSE ? gates_between<HAS_RESET>(gates, TILE, lane) : gates_upto<HAS_RESET>(gates, lane);
        for (int c = simdgroup; c < 8; c += TILE_SIMDGROUPS) {
          decays[lane * 8 + c] = REVERSE ? kept : factor * kept;
        }
      }

      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load<TV>(left, value_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
      if (wide) {
        tile_load<TV>(
            right, value_row + value + TILE, H * Dv, Dv - value - TILE, begin, end, 1.0f, simdgroup, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_scale<HAS_RESET>(sum, decays, simdgroup);
      tile_product_lower<REVERSE, TV>(sum, weights, left, simdgroup);
      if (wide) {
        tile_scale<HAS_RESET>(next, decays, simdgroup);
        tile_product_lower<REVERSE, TV>(next, weights, right, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, left, simdgroup);
      if (wide) {
        tile_put(next, right, simdgroup);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<TO>(left, out_row + value, H * Dv, Dv - value, begin, end, simdgroup, lane);
      if (wide) {
        tile_store<TO>(right, out_row + value + TILE, H * Dv, Dv - value - TILE, begin, end, simdgroup, lane);
      }
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
