// Blocks: kernels pass states and other matrices on to one another in device memory as blocks of 8x8 numbers,
// so that a simdgroup loads and stores adjacent addresses.
#pragma once

#include <metal_stdlib>

#include "tile.h"

constexpr constant int BLOCK = 64;

// The matrix in block `number` of some of T, or its transpose. Blocks begin at multiples of 128 bytes, since
// MLX aligns outputs of kernels: an engine may use this to move pairs at once.
template <bool TRANSPOSED, typename T = float, typename Blocks>
METAL_FUNC metal::simdgroup_matrix<T, 8, 8> block_load(Blocks blocks, int number) {
  metal::simdgroup_matrix<T, 8, 8> m;
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  metal::simdgroup_load_block<TRANSPOSED>(m, blocks, number * BLOCK);
#else
  metal::simdgroup_load(m, blocks + number * BLOCK, 8, metal::ulong2(0, 0), TRANSPOSED);
#endif
  return m;
}

// What a lane has of the sum of a's elements times those of b, which block_load has loaded in the same way.
template <typename T>
METAL_FUNC float block_inner(
    thread metal::simdgroup_matrix<T, 8, 8>& a, thread metal::simdgroup_matrix<T, 8, 8>& b) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  return metal::simdgroup_inner_part(a, b);
#else
  const float first = static_cast<float>(a.thread_elements()[0]) * static_cast<float>(b.thread_elements()[0]);
  return metal::fma(
      static_cast<float>(a.thread_elements()[1]), static_cast<float>(b.thread_elements()[1]), first);
#endif
}

// The matrix or its transpose to block `number` of some of T.
template <bool TRANSPOSED, typename T = float, typename Blocks>
METAL_FUNC void block_store(thread metal::simdgroup_float8x8& m, Blocks blocks, int number) {
  metal::simdgroup_matrix<T, 8, 8> rounded = matrix_as<T>(m);
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  metal::simdgroup_store_block<TRANSPOSED>(rounded, blocks, number * BLOCK);
#else
  metal::simdgroup_store(rounded, blocks + number * BLOCK, 8, metal::ulong2(0, 0), TRANSPOSED);
#endif
}

// Stores `matrices` or, TRANSPOSED, their transposes to `blocks` of T, a matrix of blocks with `wide` in a
// row. Only the first `rows` x `columns` exist; WHOLE: all do.
template <bool TRANSPOSED, bool WHOLE, typename T = float, int ROWS, int COLUMNS, typename Blocks>
METAL_FUNC void blocks_store(
    thread metal::simdgroup_float8x8 (&matrices)[ROWS][COLUMNS],
    Blocks blocks,
    int wide,
    int rows,
    int columns) {
#pragma clang loop unroll(full)
  for (int r = 0; r < ROWS; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < COLUMNS; ++c) {
      if (WHOLE || (r < rows && c < columns)) {
        block_store<TRANSPOSED, T>(matrices[r][c], blocks, r * wide + c);
      }
    }
  }
}

// A state in device memory: a matrix of blocks, `wide` in a row for 8 keys, each with a row a value. `rows` x
// `columns` of them exist from `at` on.
template <typename Pointer>
struct blocks_view {
  Pointer at;
  int wide;
  int rows;
  int columns;
};

template <typename Pointer>
METAL_FUNC blocks_view<Pointer> blocks_of(Pointer at, int wide, int rows, int columns) {
  return blocks_view<Pointer>{at, wide, rows, columns};
}

// sum += left * state or, TRANSPOSED, left * state^T, where the state is kept in T. WHOLE: at least a tile's
// blocks exist.
template <bool TRANSPOSED, bool WHOLE, typename A = float, typename T = float, typename Left, typename State>
METAL_FUNC void tile_product_state(thread tile_sum& sum, Left left, State state, int simdgroup) {
  const int down = TRANSPOSED ? 1 : state.wide;
  const int along = TRANSPOSED ? state.wide : 1;
  const int inners = TRANSPOSED ? state.columns : state.rows;
  const int columns = TRANSPOSED ? state.rows : state.columns;
#ifdef __HAVE_SIMDGROUP_BLOCKS__
#pragma clang loop unroll(full)
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_float8x8 a[TILE_OWN];
    tile_own<false>(a, left, simdgroup, inner);
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; c += 2) {
      if (WHOLE || (inner < inners && c < columns)) {
        // Past the last column, load the last one again; its product is not used.
        const int other = WHOLE ? c + 1 : metal::min(c + 1, columns - 1);
        metal::simdgroup_matrix<T, 8, 8> b = block_load<!TRANSPOSED, T>(state.at, inner * down + c * along);
        metal::simdgroup_matrix<T, 8, 8> next =
            block_load<!TRANSPOSED, T>(state.at, inner * down + other * along);
        tile_multiply<A, T>(sum, a, b, next, c);
      }
    }
  }
}

// A lower triangular matrix of 32 x 32 as blocks, of which those above the square ones on the diagonal, 16 x
// 16, are left out. Block (row, column) of 8 x 8 is the one with this number.
constexpr constant int LOWER_SIZE = 12 * BLOCK;

METAL_FUNC int lower_block(int row, int column) {
  return row < 2 ? row * 2 + column : row * 4 - 4 + column;
}

// Stores the simdgroup's rows of a tile that exist to `blocks` of T, `wide` in a row, of which `columns`
// exist, each by row or, TRANSPOSED, by column. WHOLE: all columns of the tile exist.
template <bool TRANSPOSED, bool WHOLE, typename T = float, typename Tile, typename Blocks>
METAL_FUNC void tile_store_blocks(Tile tile, Blocks blocks, int wide, int columns, tile_place place) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
    const int own = place.simdgroup * TILE_OWN + r;
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
#pragma clang loop unroll(full)
      for (int part = 0; part < BLOCK; part += 32) {
        const int cell = part + place.lane;
        const int row = own * 8 + (TRANSPOSED ? cell % 8 : cell / 8);
        const int column = c * 8 + (TRANSPOSED ? cell / 8 : cell % 8);
        if ((WHOLE || c < columns) && row >= place.begin && row < place.end) {
          blocks[(own * wide + c) * BLOCK + cell] = static_cast<T>(tile[row * TILE_STRIDE + column]);
        }
      }
    }
  }
}

// The same of a lower triangular matrix, to be the one with that number.
template <bool TRANSPOSED, typename Tile, typename Blocks>
METAL_FUNC void tile_store_lower(Tile tile, Blocks blocks, long number, tile_place place) {
  const int own = place.simdgroup * TILE_OWN;
  auto rows = blocks + number * LOWER_SIZE + (lower_block(own, 0) - own * (own + TILE_OWN)) * BLOCK;
  tile_store_blocks<TRANSPOSED, false>(tile, rows, own + TILE_OWN, own + TILE_OWN, place);
}
