// Chunks of 64 steps with keys from the inputs: a simdgroup loads its 32 keys of 8 steps at a time through
// threadgroup memory. A product reads 16 steps of a chunk at a time, so that its operands fit into 32 KiB.
#pragma once

#include <metal_stdlib>

#include "../common/carry.h"
#include "../common/elementary.h"
#include "../common/tile.h"
#include "../common/walk.h"

constexpr constant int CHUNK = 64;
constexpr constant int PIECE = 16;

// The stride of rows of values in threadgroup memory, padded as those of a tile.
template <int WIDE>
constexpr constant int STEPS_STRIDE = WIDE * 8 + 4;

// The simdgroup's keys of 8 steps.
struct steps_keys {
  metal::simdgroup_float8x8 at[TILE_BLOCKS];
};

// Loads 8 steps to `scratch`; steps from `steps` on are 0.
template <typename Tile, typename Rows>
METAL_FUNC void steps_load(Tile scratch, Rows rows, int stride, int steps, int keys, int lane) {
#pragma clang loop unroll(full)
  for (int row = 0; row < 8; ++row) {
    const bool live = row < steps && lane < keys;
    scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(rows[row * stride + lane]) : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// The same as matrices or, TRANSPOSED, each transposed.
template <bool TRANSPOSED, typename Tile>
METAL_FUNC void steps_take(thread steps_keys& keys, Tile scratch) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    keys.at[r] = tile_matrix<TRANSPOSED>(scratch, TRANSPOSED ? r : 0, TRANSPOSED ? 0 : r);
  }
}

// `product` = the state times the keys of 16 steps, in transposed matrices.
template <int WIDE, typename Product>
METAL_FUNC void steps_product(
    thread walk_state<WIDE, TILE_BLOCKS>& state,
    thread steps_keys& former,
    thread steps_keys& latter,
    Product product) {
  metal::simdgroup_float8x8 sums[WIDE];
  metal::simdgroup_float8x8 nexts[WIDE];
  walk_clear<WIDE>(sums);
  walk_clear<WIDE>(nexts);
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    walk_multiply<WIDE>(sums, nexts, state.at[r], former.at[r], latter.at[r]);
  }
#pragma clang loop unroll(full)
  for (int w = 0; w < WIDE; ++w) {
    auto to = product + w * 8;
    metal::simdgroup_store(sums[w], to, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
    metal::simdgroup_store(
        nexts[w], to + 8 * STEPS_STRIDE<WIDE>, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
  }
}

// `product` = the state times the keys of a piece of 16 steps, the last of which is `steps` - 1.
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
  steps_keys former;
  steps_keys latter;
  steps_load(scratch, rows, stride, steps, keys, lane);
  steps_take<true>(former, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  steps_load(scratch, rows + PIECE / 2 * stride, stride, steps - PIECE / 2, keys, lane);
  steps_take<true>(latter, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  steps_product<WIDE>(state, former, latter, product);
}

// rest += values^T * keys over 8 steps.
template <int WIDE, typename Values>
METAL_FUNC void steps_update(
    thread walk_state<WIDE, TILE_BLOCKS>& rest, thread steps_keys& keys, Values values) {
  metal::simdgroup_float8x8 left[WIDE];
#pragma clang loop unroll(full)
  for (int w = 0; w < WIDE; ++w) {
    metal::simdgroup_load(left[w], values + w * 8, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; r += 2) {
    walk_multiply<WIDE>(rest.at[r], rest.at[r + 1], left, keys.at[r], keys.at[r + 1]);
  }
}

// rest += values^T * rows, over the first `steps` steps of a chunk.
template <int WIDE, typename Rows, typename Values, typename Tile>
METAL_FUNC void steps_write(
    thread walk_state<WIDE, TILE_BLOCKS>& rest,
    Rows rows,
    int stride,
    int steps,
    int keys,
    Values values,
    Tile scratch,
    int lane) {
  for (int step = 0; step < steps; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    steps_keys written;
    steps_take<false>(written, scratch);
    steps_update<WIDE>(rest, written, values + step * STEPS_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// The decay of each step to the end of its chunk, exp(g_last - g); 0 past the last step.
template <typename Weights, typename Gates>
METAL_FUNC void steps_weights(Weights weights, Gates g, int stride, int steps, int simdgroup, int lane) {
  if (simdgroup == 0) {
    for (int row = lane; row < CHUNK; row += 32) {
      const float remaining = row < steps ? g[(steps - 1) * stride] - g[row * stride] : 0.0f;
      weights[row] = row < steps ? metal::precise::exp(remaining) : 0.0f;
    }
  }
}

// state *= e^g.
template <int WIDE>
METAL_FUNC void steps_decay(
    thread walk_state<WIDE, TILE_BLOCKS>& state, thread walk_state<WIDE, TILE_BLOCKS>& rest, float g) {
  const float whole = metal::precise::exp(g);
  carry_decay decay;
  carry_decay_from(decay, whole, exp_minus_one(g, whole));
#pragma clang loop unroll(full)
  for (int w = 0; w < WIDE; ++w) {
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      carry_fade(state.at[r][w], rest.at[r][w], decay.base, decay.change);
    }
  }
}
