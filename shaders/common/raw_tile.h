// Tiles of 16-bit numbers as they come: a lane moves two neighbours of a row at once, and a product loads
// several matrices of that type at once. This pays where an engine can do the latter; elsewhere tiles of
// floats (tile.h) take their place.
#pragma once

#include <metal_stdlib>

#include "tile.h"

// Eight numbers of padding keep the rows of an 8x8 matrix in different banks.
constexpr constant int RAW_STRIDE = TILE + 8;
// And so do 32 numbers the same row of the next tile.
constexpr constant int RAW_SIZE = TILE * RAW_STRIDE + 32;

// Such a tile of T.
template <typename T, typename Pointer>
struct raw_tile {
  Pointer at;
};

// The tile in threadgroup memory at `at`: raw, unless its numbers are floats.
template <typename T>
struct tile_numbers {};

template <typename T, typename Pointer>
METAL_FUNC raw_tile<T, Pointer> tile_of(tile_numbers<T>, Pointer at) {
  return raw_tile<T, Pointer>{at};
}

template <typename Pointer>
METAL_FUNC Pointer tile_of(tile_numbers<float>, Pointer at) {
  return at;
}

template <typename T, typename Pointer>
struct tile_kind<raw_tile<T, Pointer>> {
  using type = T;
};

template <typename T, typename Pointer>
METAL_FUNC raw_tile<T, Pointer> tile_at(raw_tile<T, Pointer> tiles, int number) {
  return raw_tile<T, Pointer>{tiles.at + number * RAW_SIZE};
}

// Two neighbours of T as one number, which keeps them in one register, and whether all pairs from `at` on lie
// well enough to be moved like that, if rows have an even number of numbers.
#ifdef __HAVE_SIMDGROUP_TILES__
template <typename T, typename Pointer>
METAL_FUNC uint raw_pair(Pointer at) {
  return metal::load_neighbours(at);
}

template <typename T, typename Pointer>
METAL_FUNC void raw_put(Pointer at, uint pair) {
  metal::store_neighbours(at, pair);
}

template <typename Pointer>
METAL_FUNC bool raw_lies_well(Pointer at) {
  return metal::neighbours_lie_well(at);
}
#else
template <typename T, typename Pointer>
METAL_FUNC uint raw_pair(Pointer at) {
  return as_type<uint>(metal::vec<T, 2>(at[0], at[1]));
}

template <typename T, typename Pointer>
METAL_FUNC void raw_put(Pointer at, uint pair) {
  at[0] = as_type<metal::vec<T, 2>>(pair)[0];
  at[1] = as_type<metal::vec<T, 2>>(pair)[1];
}

template <typename Pointer>
METAL_FUNC bool raw_lies_well(Pointer) {
  return true;
}
#endif

// ROWS own rows of `tiles` tiles side by side, two columns a lane.
template <typename T, int ROWS, int TILES>
struct raw_rows {
  uint at[ROWS * TILES / 2];
};

// Where pair i of a lane stands: with one tile half of the lanes have rows that are four further down, in
// other banks.
template <int TILES>
METAL_FUNC int raw_step(int i) {
  return TILES == 1 ? i / 4 * 8 + i % 4 : i;
}

template <int ROWS, int TILES>
METAL_FUNC int raw_row(int i, int simdgroup, int lane) {
  return simdgroup * ROWS + raw_step<TILES>(i) + (TILES == 1 ? lane / 16 * 4 : 0);
}

template <int TILES>
METAL_FUNC int raw_column(int lane) {
  return lane % (16 * TILES) * 2;
}

// The rows of `source` in [place.begin, place.end), 0 elsewhere. All columns exist.
template <typename T, int ROWS, int TILES, typename Source>
METAL_FUNC void raw_fetch(thread raw_rows<T, ROWS, TILES>& rows, Source source, tile_place place) {
  constexpr int PAIRS = ROWS * TILES / 2;
  const int own = place.simdgroup * ROWS;
  const int first = raw_row<ROWS, TILES>(0, place.simdgroup, place.lane);
  auto from = source.at + first * source.stride + raw_column<TILES>(place.lane);
  if (place.begin <= own && own + ROWS <= place.end && raw_lies_well(source.at)) {
#pragma clang loop unroll(full)
    for (int i = 0; i < PAIRS; ++i) {
      rows.at[i] = raw_pair<T>(from + raw_step<TILES>(i) * source.stride);
    }
  } else {
#pragma clang loop unroll(full)
    for (int i = 0; i < PAIRS; ++i) {
      const int row = first + raw_step<TILES>(i);
      const bool live = row >= place.begin && row < place.end;
      auto at = from + raw_step<TILES>(i) * source.stride;
      rows.at[i] = live ? as_type<uint>(metal::vec<T, 2>(at[0], at[1])) : 0;
    }
  }
}

// These to a tile or two; with RESETS those outside of [begin, end) become 0.
template <bool RESETS, typename T, int ROWS, int TILES, typename Pointer>
METAL_FUNC void raw_keep(
    raw_tile<T, Pointer> tiles, thread raw_rows<T, ROWS, TILES>& rows, tile_place place) {
  auto own = tile_at(tiles, TILES == 1 ? 0 : place.lane / 16).at + raw_column<1>(place.lane);
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS * TILES / 2; ++i) {
    const int row = raw_row<ROWS, TILES>(i, place.simdgroup, place.lane);
    const bool counts = !RESETS || (row >= place.begin && row < place.end);
    raw_put<T>(own + row * RAW_STRIDE, counts ? rows.at[i] : 0);
  }
}

// Both together for two tiles, whose rows load at the same time, as for tiles of floats.
template <typename A, typename B, typename T, typename Pointer, typename Source, typename Other>
METAL_FUNC void tile_load_both(
    raw_tile<T, Pointer> tile,
    Source source,
    raw_tile<T, Pointer> other,
    Other other_source,
    tile_place place) {
  raw_rows<T, TILE_ROWS, 1> rows;
  raw_rows<T, TILE_ROWS, 1> other_rows;
  raw_fetch(rows, source, place);
  raw_fetch(other_rows, other_source, place);
  raw_keep<false>(tile, rows, place);
  raw_keep<false>(other, other_rows, place);
}

// N matrices for the left or the RIGHT of products, `next` numbers apart, or their transposes.
template <bool RIGHT, bool TRANSPOSED, typename T, int N, typename Pointer>
METAL_FUNC void raw_load(thread metal::simdgroup_matrix<T, 8, 8> (&m)[N], Pointer at, int next) {
#ifdef __HAVE_SIMDGROUP_TILES__
  metal::simdgroup_load_tiles<RIGHT, TRANSPOSED>(m, at, RAW_STRIDE, next);
#else
#pragma clang loop unroll(full)
  for (int i = 0; i < N; ++i) {
    metal::simdgroup_load(m[i], at + i * next, RAW_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  }
#endif
}

template <bool TRANSPOSED, typename T, typename Pointer>
METAL_FUNC void tile_left(
    thread metal::simdgroup_matrix<T, 8, 8> (&left)[TILE_OWN],
    raw_tile<T, Pointer> tile,
    int row,
    int column) {
  const int at = TRANSPOSED ? column * 8 * RAW_STRIDE + row * 8 : row * 8 * RAW_STRIDE + column * 8;
  raw_load<false, TRANSPOSED>(left, tile.at + at, TRANSPOSED ? 8 : 8 * RAW_STRIDE);
}

template <bool TRANSPOSED, int N, typename T, typename Pointer>
METAL_FUNC void tile_right(
    thread metal::simdgroup_matrix<T, 8, 8> (&right)[N], raw_tile<T, Pointer> tile, int row, int column) {
  const int at = TRANSPOSED ? column * 8 * RAW_STRIDE + row * 8 : row * 8 * RAW_STRIDE + column * 8;
  raw_load<true, TRANSPOSED>(right, tile.at + at, TRANSPOSED ? 8 * RAW_STRIDE : 8);
}

// Matrix (row, column) of a tile, rounded to T.
template <typename T, typename Pointer>
METAL_FUNC void raw_store(
    thread metal::simdgroup_float8x8& m, raw_tile<T, Pointer> tile, int row, int column) {
  metal::simdgroup_matrix<T, 8, 8> rounded = matrix_as<T>(m);
  auto at = tile.at + row * 8 * RAW_STRIDE + column * 8;
#ifdef __HAVE_SIMDGROUP_TILES__
  metal::simdgroup_store_tile(rounded, at, RAW_STRIDE);
#else
  metal::simdgroup_store(rounded, at, RAW_STRIDE);
#endif
}
