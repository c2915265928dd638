// Chunks of 64 steps whose keys lie in the arrays of the call: a simdgroup takes its 32 keys of 8 steps at a
// time through threadgroup memory. A chunk is read 16 steps at a time, so that all fits into 32 KiB.
#pragma once

#include <metal_stdlib>

#include "../common/tile.h"
#include "../common/walk.h"

constexpr constant int CHUNK = 64;
constexpr constant int PIECE = 16;

// 8 steps to `scratch`, of which `steps` are there, 0 elsewhere.
template <typename Tile, typename Rows>
METAL_FUNC void steps_load(Tile scratch, Rows rows, int stride, int steps, int keys, int lane) {
#pragma unroll
  for (int row = 0; row < 8; ++row) {
    const bool live = row < steps && lane < keys;
    scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(rows[row * stride + lane]) : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// These as matrices or, TRANSPOSED, each on its side.
template <bool TRANSPOSED, typename Tile>
METAL_FUNC void steps_take(thread walk_keys<TILE_BLOCKS>& keys, Tile scratch) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    keys.at[r] = tile_matrix<TRANSPOSED>(scratch, TRANSPOSED ? r : 0, TRANSPOSED ? 0 : r);
  }
}

// What a piece reads of the state, to `product`; of its steps `steps` are there.
template <int WIDE, typename Rows, typename Product, typename Tile>
METAL_FUNC void steps_read(
    thread walk_state<WIDE, TILE_BLOCKS>& state,
    Rows rows,
    int stride,
    int steps,
    int keys,
    Product product,
    Tile scratch,
    int lane) {
  walk_keys<TILE_BLOCKS> former;
  walk_keys<TILE_BLOCKS> latter;
  steps_load(scratch, rows, stride, steps, keys, lane);
  steps_take<true>(former, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  steps_load(scratch, rows + PIECE / 2 * stride, stride, steps - PIECE / 2, keys, lane);
  steps_take<true>(latter, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  walk_read<WIDE, TILE_BLOCKS>(state, former, latter, product);
}

// state += values^T * rows, over the `steps` steps of a chunk that are there.
template <int WIDE, typename Rows, typename Values, typename Tile>
METAL_FUNC void steps_write(
    thread walk_state<WIDE, TILE_BLOCKS>& state,
    Rows rows,
    int stride,
    int steps,
    int keys,
    Values values,
    Tile scratch,
    int lane) {
  for (int step = 0; step < steps; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    walk_keys<TILE_BLOCKS> written[1];
    steps_take<false>(written[0], scratch);
    walk_write<WIDE, TILE_BLOCKS, 1>(state, written, values + step * WALK_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// What the gates leave of each step at the end of its chunk, exp(g_last - g), 0 for one that is not there.
template <typename Weights, typename Gates>
METAL_FUNC void steps_weights(Weights weights, Gates g, int stride, int steps, int simdgroup, int lane) {
  if (simdgroup == 0) {
    for (int row = lane; row < CHUNK; row += 32) {
      const float after = row < steps ? g[(steps - 1) * stride] - g[row * stride] : 0.0f;
      weights[row] = row < steps ? metal::exp(after) : 0.0f;
    }
  }
}

// state *= decay.
template <int WIDE>
METAL_FUNC void steps_decay(thread walk_state<WIDE, TILE_BLOCKS>& state, float decay) {
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      state.at[r][w].thread_elements() *= decay;
    }
  }
}
