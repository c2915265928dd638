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
inline void steps_load(Tile scratch, Rows rows, int stride, int steps, int keys, int lane) {
#pragma unroll
  for (int row = 0; row < 8; ++row) {
    const bool live = row < steps && lane < keys;
    scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(rows[row * stride + lane]) : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// What a piece reads of the state, to `product`; of its steps `steps` are there.
template <int WIDE, typename Rows, typename Product, typename Tile>
inline void steps_read(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Rows rows,
    int stride,
    int steps,
    int keys,
    Product product,
    Tile scratch,
    int lane) {
  for (int step = 0; step < PIECE; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    walk_read<WIDE, 8>(state, scratch, TILE_STRIDE, (keys + 7) / 8, product + step * WALK_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// state += rows^T * values, over the `steps` steps of a chunk that are there.
template <int WIDE, typename Rows, typename Values, typename Tile>
inline void steps_write(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Rows rows,
    int stride,
    int steps,
    int keys,
    Values values,
    Tile scratch,
    int lane) {
  for (int step = 0; step < steps; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    walk_write<WIDE, 8>(state, scratch, TILE_STRIDE, (keys + 7) / 8, values + step * WALK_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// What the gates leave of each step at the end of its chunk, exp(g_last - g), 0 for one that is not there.
template <typename Weights, typename Gates>
inline void steps_weights(Weights weights, Gates g, int stride, int steps, int simdgroup, int lane) {
  if (simdgroup == 0) {
    for (int row = lane; row < CHUNK; row += 32) {
      const float after = row < steps ? g[(steps - 1) * stride] - g[row * stride] : 0.0f;
      weights[row] = row < steps ? metal::exp(after) : 0.0f;
    }
  }
}

// state *= decay.
template <int WIDE>
inline void steps_decay(thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE], float decay) {
#pragma unroll
  for (int i = 0; i < TILE_BLOCKS * WIDE; ++i) {
    state[i].thread_elements() *= decay;
  }
}
