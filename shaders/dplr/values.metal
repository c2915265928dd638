// dplr, what is mixed over time, a chunk of 32 steps at a time. Forward: o = queries S + A_qk v + A_qb u,
// where S entered the chunk. REVERSE: grad_v = keys_k G + A_qk^T grad_o + A_ak^T d, where G is the adjoint of
// the state that leaves. prepare.metal makes the A, queries and keys_k, walk.metal u and d. Peng et
// al. 2025, RWKV-7, arXiv:2503.14456, section 3.
//
// A threadgroup owns a chunk of one head and 64 values. A chunk is cut at its resets; what lies outside a
// piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/columns.h"
#include "../common/gates.h"
#include "../common/tile.h"

using namespace metal;

template <typename TV, int Dk, int Dv, int H, bool REVERSE, bool HAS_RESET>
[[kernel]] void dplr_values(
    const device float* rows,         // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* given_mix,    // [B, H, CHUNKS, 12, 8, 8]
    const device float* solved_mix,   // [B, H, CHUNKS, 12, 8, 8]
    const device TV* given,           // [B, L, H, Dv]
    const device float* solved,       // [B, L, H, Dv]
    const device bool* reset,         // [B, L]
    const device float* chunk_state,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device TV* mixed,                 // [B, L, H, Dv]
    const constant int* given_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr int BLOCKS = (Dv + 2 * TILE - 1) / (2 * TILE);
  threadgroup float tiles[2 * TILE_SIZE];
  threadgroup float weights[TILE_SIZE];

  const int L = given_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x / BLOCKS;
  const int value = threadgroup_position_in_grid.x % BLOCKS * 2 * TILE;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = (first * H + head) * Dv + value;
  const long at = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto own_rows = rows + at * TILE * ROWS * 8;
  auto state = chunk_state + (at * ROWS * COLUMNS + value / 8) * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const int columns = COLUMNS - value / 8;

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const tile_place place = {begin, end, simdgroup, lane};
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !(HAS_RESET && resets[0]);
    column_sum sum;
    columns_clear(sum);
    column_rows<TV> inputs;
    column_rows<float> results;
    columns_fetch(inputs, view_of(given + row, H * Dv, Dv - value), place);
    columns_fetch(results, view_of(solved + row, H * Dv, Dv - value), place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_keep(tiles, inputs, place);
    columns_load_lower(weights, given_mix + at * LOWER_SIZE, simdgroup, lane);
    for (int inner = 0; meets_state && inner < ROWS; ++inner) {
      simdgroup_float8x8 own[TILE_OWN];
      columns_state_row<false>(own, blocks_of(state, COLUMNS, ROWS, columns), inner, simdgroup);
#pragma clang loop unroll(full)
      for (int r = 0; r < TILE_BLOCKS; r += 2) {
        simdgroup_float8x8 left = block_load<false>(own_rows, r * ROWS + inner);
        simdgroup_float8x8 below = block_load<false>(own_rows, (r + 1) * ROWS + inner);
        multiply_2x2(
            sum.at[r][0], sum.at[r][1], sum.at[r + 1][0], sum.at[r + 1][1], left, below, own[0], own[1]);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_product<true, REVERSE, float, TV>(sum, weights, tiles, simdgroup);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_keep(tiles, results, place);
    columns_load_lower(weights, solved_mix + at * LOWER_SIZE, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_product<true, REVERSE, float, float>(sum, weights, tiles, simdgroup);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_put(sum, tiles, simdgroup, tile_numbers<float>());
    threadgroup_barrier(mem_flags::mem_threadgroup);
    columns_write<TV>(tiles, view_of(mixed + row, H * Dv, Dv - value), place, tile_numbers<float>());
    begin = end;
  } while (HAS_RESET && begin < steps);
}
