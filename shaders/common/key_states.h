// Products of 32 steps with the state or adjoint of 32 keys, for four simdgroups that own 16 steps x 16 keys
// each: simdgroup s the steps from s / 2 * 16 and the keys from s % 2 * 16 on.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "tile.h"

// 32 values of the own keys of a state kept in T, as a product's right operand.
template <typename T>
struct key_state {
  metal::simdgroup_matrix<T, 8, 8> at[TILE_BLOCKS][TILE_OWN];
};

struct key_sum {
  metal::simdgroup_float8x8 at[TILE_OWN][TILE_OWN];
};

METAL_FUNC void key_clear(thread key_sum& sum) {
  tile_clear(sum.at[0]);
  tile_clear(sum.at[1]);
}

// Loads the own blocks of a state; WHOLE: at least a tile's exist. Past the keys that exist the last stand
// in; their products are not used.
template <bool WHOLE, typename T, typename State>
METAL_FUNC void key_fetch_state(thread key_state<T>& own, State state, int simdgroup) {
  const int first = simdgroup % 2 * TILE_OWN;
  auto blocks = state.at + first * state.wide * BLOCK;
#pragma clang loop unroll(full)
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_OWN; ++c) {
      if (WHOLE || inner < state.columns) {
        const int row = WHOLE ? c : metal::min(c, state.rows - 1 - first);
        own.at[inner][c] = block_load<false, T>(blocks, row * state.wide + inner);
      }
    }
  }
}

// sum += the own steps of `left`, 32 values, times own^T, of whose blocks of 8 values `columns` are there.
template <bool WHOLE, typename A, typename T, typename Left>
METAL_FUNC void key_product_state(
    thread key_sum& sum, Left left, thread key_state<T>& own, int columns, int simdgroup) {
  const int row = simdgroup / 2 * TILE_OWN;
#pragma clang loop unroll(full)
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    if (WHOLE || inner < columns) {
      metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
      metal::simdgroup_float8x8 below = tile_matrix<false>(left, row + 1, inner);
      multiply_2x2<A, T>(
          sum.at[0][0],
          sum.at[0][1],
          sum.at[1][0],
          sum.at[1][1],
          a,
          below,
          own.at[inner][0],
          own.at[inner][1]);
    }
  }
}

// The own part of a tile from its matrices.
template <typename Tile>
METAL_FUNC void key_put(thread key_sum& sum, Tile tile, int simdgroup) {
  auto corner = tile + (simdgroup / 2 * TILE_STRIDE + simdgroup % 2) * TILE_ROWS;
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_OWN; ++c) {
      metal::simdgroup_store(sum.at[r][c], corner + r * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
    }
  }
}

// What the state that enters has in common with the adjoint of the one that leaves, for keys from
// `simdgroup` * 8 on, a row a key; the sum over a row's 8 numbers is a key's inner product. `rows` x
// `columns` blocks are there.
template <typename T = float, typename Totals, typename State>
METAL_FUNC void key_states_inner(
    Totals totals, State state, State adjoint, int rows, int columns, int simdgroup) {
  metal::simdgroup_float8x8 total(0.0f);
  for (int c = 0; simdgroup < rows && c < columns; ++c) {
    const int at = simdgroup * columns + c;
    metal::simdgroup_matrix<T, 8, 8> enters = block_load<false, T>(state, at);
    metal::simdgroup_matrix<T, 8, 8> leaves = block_load<false, T>(adjoint, at);
    metal::simdgroup_float8x8 entering = matrix_as<float>(enters);
    metal::simdgroup_float8x8 leaving = matrix_as<float>(leaves);
    total.thread_elements() += entering.thread_elements() * leaving.thread_elements();
  }
  metal::simdgroup_store(total, totals + simdgroup * 8 * ROW_STRIDE, ROW_STRIDE, metal::ulong2(0, 0), true);
}

template <typename Totals>
METAL_FUNC float key_total(Totals totals, int lane) {
  float sum = 0.0f;
#pragma clang loop unroll(full)
  for (int c = 0; c < 8; ++c) {
    sum += totals[lane * ROW_STRIDE + c];
  }
  return sum;
}
