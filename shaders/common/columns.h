// Products with two tiles of columns side by side, of which four simdgroups own 16 columns each, and all
// rows: what stands to the right is loaded and split by one of them only, which pays where that is a state.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "raw_tile.h"
#include "tile.h"

constexpr constant int COLUMN_SIMDGROUPS = 4;
// The rows of a tile that one of them loads and stores.
constexpr constant int COLUMN_ROWS = TILE / COLUMN_SIMDGROUPS;

// Of two tiles that follow one another the one with the own columns, and their first block in it.
template <typename Tiles>
METAL_FUNC Tiles columns_tile(Tiles tiles, int simdgroup) {
  return tile_at(tiles, simdgroup / 2);
}

METAL_FUNC int columns_block(int simdgroup) {
  return simdgroup % 2 * TILE_OWN;
}

struct column_sum {
  metal::simdgroup_float8x8 at[TILE_BLOCKS][TILE_OWN];
};

METAL_FUNC void columns_clear(thread column_sum& sum) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    tile_clear(sum.at[r]);
  }
}

// Row blocks `row` and the next of a sum += left * right, where left stands in a tile.
template <bool TRANSPOSED, typename A, typename B, typename Left, typename Kept>
METAL_FUNC void columns_multiply(
    thread column_sum& sum,
    Left left,
    thread metal::simdgroup_matrix<Kept, 8, 8>& right,
    thread metal::simdgroup_matrix<Kept, 8, 8>& next,
    int row,
    int inner) {
  metal::simdgroup_matrix<typename tile_kind<Left>::type, 8, 8> a[TILE_OWN];
  tile_left<TRANSPOSED>(a, left, row, inner);
  multiply_2x2<A, B>(
      sum.at[row][0], sum.at[row][1], sum.at[row + 1][0], sum.at[row + 1][1], a[0], a[1], right, next);
}

// Own columns of row `row` of a state's blocks of T. Past the rows and columns that exist the last stand in;
// their products are not used.
template <bool WHOLE, typename T = float, typename State>
METAL_FUNC void columns_state_row(
    thread metal::simdgroup_matrix<T, 8, 8> (&own)[TILE_OWN], State state, int row, int simdgroup) {
  const int first = simdgroup * TILE_OWN;
  auto blocks = state.at + first * BLOCK;
#pragma clang loop unroll(full)
  for (int c = 0; c < TILE_OWN; ++c) {
    const int down = WHOLE ? row : metal::min(row, state.rows - 1);
    const int along = WHOLE ? c : metal::min(c, state.columns - 1 - first);
    own[c] = block_load<true, T>(blocks, down * state.wide + along);
  }
}

// Those of 64 rows. An engine with blocks fetches them before it waits for anything else; to a CPU that would
// be a copy.
template <typename T>
struct column_state {
  metal::simdgroup_matrix<T, 8, 8> at[2 * TILE_BLOCKS][TILE_OWN];
};
#ifdef __HAVE_SIMDGROUP_BLOCKS__
constexpr constant bool STATE_AHEAD = true;
#else
constexpr constant bool STATE_AHEAD = false;
#endif

template <bool WHOLE, typename T, typename State>
METAL_FUNC void columns_fetch_state(thread column_state<T>& fetched, State state, int simdgroup) {
#pragma clang loop unroll(full)
  for (int row = 0; STATE_AHEAD && row < 2 * TILE_BLOCKS; ++row) {
    columns_state_row<WHOLE, T>(fetched.at[row], state, row, simdgroup);
  }
}

// sum += left * (rows of a state from `first` on).
template <bool WHOLE, typename A, typename T, typename Left, typename State>
METAL_FUNC void columns_product_state(
    thread column_sum& sum,
    Left left,
    thread column_state<T>& fetched,
    State state,
    int first,
    int simdgroup) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__  // What was fetched ahead is in registers, which have no index.
#pragma clang loop unroll(full)
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    const int row = first + inner;
    if (WHOLE || row < state.rows) {
      metal::simdgroup_matrix<T, 8, 8> own[TILE_OWN];
      if (STATE_AHEAD) {
        own[0] = fetched.at[row][0];
        own[1] = fetched.at[row][1];
      } else {
        columns_state_row<WHOLE, T>(own, state, row, simdgroup);
      }
#pragma clang loop unroll(full)
      for (int r = 0; r < TILE_BLOCKS; r += 2) {
        columns_multiply<false, A, T>(sum, left, own[0], own[1], r, inner);
      }
    }
  }
}

// sum += left * (the own columns of right) or, TRANSPOSED, left^T * them. LOWER: left is lower triangular in
// blocks.
template <bool LOWER, bool TRANSPOSED, typename A, typename B, typename Left, typename Right>
METAL_FUNC void columns_product(thread column_sum& sum, Left left, Right right, int simdgroup) {
  auto own = columns_tile(right, simdgroup);
#ifdef __HAVE_SIMDGROUP_BLOCKS__  // As in tile_product.
#pragma clang loop unroll(full)
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_matrix<typename tile_kind<Right>::type, 8, 8> b[TILE_OWN];
    tile_right<false>(b, own, inner, columns_block(simdgroup));
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_BLOCKS; r += 2) {
      if (!LOWER || (TRANSPOSED ? inner >= r : inner < r + 2)) {
        columns_multiply<TRANSPOSED, A, B>(sum, left, b[0], b[1], r, inner);
      }
    }
  }
}

// A lower triangular matrix of 32 x 32 from its blocks to a tile; what these leave out is not written.
template <typename Tile, typename Blocks>
METAL_FUNC void columns_load_lower(Tile tile, Blocks blocks, int simdgroup, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < LOWER_SIZE / (COLUMN_SIMDGROUPS * TILE); ++i) {
    const int at = (i * COLUMN_SIMDGROUPS + simdgroup) * TILE + lane;
    const int number = at / BLOCK;
    const int row = number < 4 ? number / 2 : number / 4 + 1;
    const int column = number < 4 ? number % 2 : number % 4;
    tile[(row * 8 + at / 8 % 8) * TILE_STRIDE + column * 8 + at % 8] = blocks[at];
  }
}

// The rows times their weights, as tile_scale.
template <bool RESETS, typename Weights>
METAL_FUNC void columns_scale(thread column_sum& sum, Weights weights) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    block_scale<RESETS, TILE_OWN>(sum.at[r], weights + r * 8 * ROW_STRIDE);
  }
}

// The own columns of two tiles from their matrices.
template <typename Tiles>
METAL_FUNC void columns_put(thread column_sum& sum, Tiles tiles, int simdgroup, tile_numbers<float>) {
  auto own = columns_tile(tiles, simdgroup) + columns_block(simdgroup) * 8;
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_OWN; ++c) {
      metal::simdgroup_store(sum.at[r][c], own + r * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
    }
  }
}

// What a simdgroup fetches of two tiles side by side, a column a lane.
template <typename T>
struct column_rows {
  T first[COLUMN_ROWS];
  T second[COLUMN_ROWS];
};

// The own rows of `source` that exist, 0 elsewhere.
template <typename T, typename Source>
METAL_FUNC void columns_fetch(thread column_rows<T>& rows, Source source, tile_place place) {
  tile_fetch<T, COLUMN_ROWS>(rows.first, source, place);
  const int more = source.columns - TILE;
  auto next = source.at + (more > 0 ? TILE : 0);
  tile_fetch<T, COLUMN_ROWS>(rows.second, view_of(next, source.stride, more), place);
}

// These to two tiles.
template <typename T, typename Tiles>
METAL_FUNC void columns_keep(Tiles tiles, thread column_rows<T>& rows, tile_place place) {
  tile_keep<T, COLUMN_ROWS>(tiles, rows.first, 1.0f, place.simdgroup, place.lane);
  tile_keep<T, COLUMN_ROWS>(tile_at(tiles, 1), rows.second, 1.0f, place.simdgroup, place.lane);
}

// Stores the own rows of two tiles that exist to `destination`, rounded to T.
template <typename T, typename Tiles, typename Destination>
METAL_FUNC void columns_write(Tiles tiles, Destination destination, tile_place place, tile_numbers<float>) {
  for (int part = 0; part < 2; ++part) {
    const int first = part * TILE;
    if (first < destination.columns) {
      tile_store<T, COLUMN_ROWS>(
          tile_at(tiles, part),
          view_of(destination.at + first, destination.stride, destination.columns - first),
          place);
    }
  }
}
