// Tiles of 16-bit numbers as they come: a lane moves two neighbours of a row at once, and a product loads
// several matrices of that type at once. This pays where an engine can do the latter; elsewhere tiles of
// floats (tile_rows.h) take their place.
#pragma once

#include <metal_stdlib>

#include "tile_rows.h"

// Eight numbers of padding keep the rows of an 8x8 matrix in different banks.
constexpr constant int RAW_STRIDE = TILE + 8;
// And so do 32 numbers the same row of the next tile.
constexpr constant int RAW_SIZE = TILE * RAW_STRIDE + 32;

template <typename T>
struct tile_kind<threadgroup T*> {
  using type = T;
};

constexpr constant int TILE_SIZE = TILE * TILE_STRIDE;

// The tile that is `number` tiles behind another.
template <typename Tile>
METAL_FUNC Tile tile_at(Tile tiles, int number) {
  return tiles + number * (sizeof(typename tile_kind<Tile>::type) == 2 ? RAW_SIZE : TILE_SIZE);
}

// Two neighbours of T as one number, which keeps them in one register.
template <typename T>
METAL_FUNC uint raw_join(T first, T second) {
  return as_type<ushort>(first) | static_cast<uint>(as_type<ushort>(second)) << 16;
}

// They move as one where all pairs from `at` on lie well, if rows have an even number of numbers.
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
  return raw_join<T>(at[0], at[1]);
}

template <typename T, typename Pointer>
METAL_FUNC void raw_put(Pointer at, uint pair) {
  at[0] = as_type<T>(static_cast<ushort>(pair & 0xffff));
  at[1] = as_type<T>(static_cast<ushort>(pair >> 16));
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
      rows.at[i] = live ? raw_join<T>(at[0], at[1]) : 0;
    }
  }
}

// These to a tile or two; with RESETS those outside of [begin, end) become 0.
template <bool RESETS, typename T, int ROWS, int TILES, typename Tile>
METAL_FUNC void raw_keep(Tile tiles, thread raw_rows<T, ROWS, TILES>& rows, tile_place place) {
  auto own = tile_at(tiles, TILES == 1 ? 0 : place.lane / 16) + raw_column<1>(place.lane);
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS * TILES / 2; ++i) {
    const int row = raw_row<ROWS, TILES>(i, place.simdgroup, place.lane);
    const bool counts = !RESETS || (row >= place.begin && row < place.end);
    raw_put<T>(own + row * RAW_STRIDE, counts ? rows.at[i] : 0);
  }
}

// Both together for two tiles, as for tiles of floats.
template <typename A, typename B, typename T, typename Tile, typename Source, typename Other>
METAL_FUNC void tile_load_both(
    Tile tile, Source source, Tile other, Other other_source, tile_place place, tile_numbers<T>) {
  raw_rows<T, TILE_ROWS, 1> rows;
  raw_rows<T, TILE_ROWS, 1> other_rows;
  raw_fetch(rows, source, place);
  raw_fetch(other_rows, other_source, place);
  raw_keep<false>(tile, rows, place);
  raw_keep<false>(other, other_rows, place);
}

// N matrices for the left or the RIGHT of products, or their transposes: two of them lie `next` numbers
// apart, two pairs `further`.
template <bool RIGHT, bool TRANSPOSED, typename T, int N, typename Pointer>
METAL_FUNC void raw_load(thread metal::simdgroup_matrix<T, 8, 8> (&m)[N], Pointer at, int next, int further) {
#ifdef __HAVE_SIMDGROUP_TILES__
  metal::simdgroup_load_tiles<RIGHT, TRANSPOSED>(m, at, RAW_STRIDE, next, further);
#else
#pragma clang loop unroll(full)
  for (int i = 0; i < N; ++i) {
    metal::simdgroup_load(
        m[i], at + i % 2 * next + i / 2 * further, RAW_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  }
#endif
}

// How far apart matrices lie that stand below or beside one another, or their transposes do.
template <bool TRANSPOSED>
struct raw_steps {
  static constexpr constant int DOWN = TRANSPOSED ? 8 : 8 * RAW_STRIDE;
  static constexpr constant int ALONG = TRANSPOSED ? 8 * RAW_STRIDE : 8;
};

template <bool TRANSPOSED, int N, typename T, typename Tile>
METAL_FUNC void tile_left(
    thread metal::simdgroup_matrix<T, 8, 8> (&left)[N], Tile tile, int row, int column) {
  using steps = raw_steps<TRANSPOSED>;
  auto at = tile + row * steps::DOWN + column * steps::ALONG;
  raw_load<false, TRANSPOSED>(left, at, steps::DOWN, 2 * steps::DOWN);
}

template <bool TRANSPOSED, int N, typename T, typename Tile>
METAL_FUNC void tile_right(
    thread metal::simdgroup_matrix<T, 8, 8> (&right)[N], Tile tile, int row, int column) {
  using steps = raw_steps<TRANSPOSED>;
  auto at = tile + row * steps::DOWN + column * steps::ALONG;
  raw_load<true, TRANSPOSED>(right, at, steps::ALONG, 2 * steps::ALONG);
}

template <bool TRANSPOSED, typename T, typename Tile>
METAL_FUNC metal::simdgroup_matrix<T, 8, 8> tile_one(Tile tile, int row, int column, tile_numbers<T>) {
  using steps = raw_steps<TRANSPOSED>;
  metal::simdgroup_matrix<T, 8, 8> m;
  auto at = tile + row * steps::DOWN + column * steps::ALONG;
  metal::simdgroup_load(m, at, RAW_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  return m;
}

template <bool TRANSPOSED, typename T, typename Tile>
METAL_FUNC void tile_square(
    thread metal::simdgroup_matrix<T, 8, 8> (&square)[2][2], Tile tile, int row, int column) {
  using steps = raw_steps<TRANSPOSED>;
  metal::simdgroup_matrix<T, 8, 8> down[4];
  raw_load<true, TRANSPOSED>(
      down, tile + row * steps::DOWN + column * steps::ALONG, steps::DOWN, steps::ALONG);
  square[0][0] = down[0];
  square[0][1] = down[1];
  square[1][0] = down[2];
  square[1][1] = down[3];
}

// Matrix (row, column) of a tile, rounded to T.
template <typename T, typename Tile>
METAL_FUNC void raw_store(thread metal::simdgroup_float8x8& m, Tile tile, int row, int column) {
  metal::simdgroup_matrix<T, 8, 8> rounded = matrix_as<T>(m);
  auto at = tile + row * 8 * RAW_STRIDE + column * 8;
#ifdef __HAVE_SIMDGROUP_TILES__
  metal::simdgroup_store_tile(rounded, at, RAW_STRIDE);
#else
  metal::simdgroup_store(rounded, at, RAW_STRIDE);
#endif
}
