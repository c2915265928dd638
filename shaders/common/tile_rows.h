// Tiles of 32 x 32 floats in threadgroup memory, one row a step of a chunk and one column a lane: rows on
// their way to one, and matrices from it. Two simdgroups share a tile: simdgroup s owns the 16 rows from 16 *
// s on.
//
// All helpers are METAL_FUNC, always inlined: on a CPU a call costs as much as the helper's work.
#pragma once

#include <metal_stdlib>

#include "simd_sums.h"

constexpr constant int TILE = 32;
constexpr constant int TILE_SIMDGROUPS = 2;
// A simdgroup's part of a tile, in rows.
constexpr constant int TILE_ROWS = TILE / TILE_SIMDGROUPS;
// Four floats of padding keep the rows of an 8x8 matrix in different banks.
constexpr constant int TILE_STRIDE = 36;

// A thread's place in a tile: the rows [begin, end) that exist, such as the steps of a chunk between two
// resets, its simdgroup, which owns some of the tile's rows, and its lane.
struct tile_place {
  int begin;
  int end;
  int simdgroup;
  int lane;
};

// Rows in device memory, `stride` apart, of which `columns` numbers exist.
template <typename Pointer>
struct rows_view {
  Pointer at;
  int stride;
  int columns;
};

template <typename Pointer>
METAL_FUNC rows_view<Pointer> view_of(Pointer at, int stride, int columns) {
  return rows_view<Pointer>{at, stride, columns};
}

// The rows of a view from `row` on, from one of its columns on.
template <typename View>
METAL_FUNC View rows_from(View view, int row, int column = 0) {
  return View{view.at + static_cast<long>(row) * view.stride + column, view.stride, view.columns - column};
}

// The type of a tile's numbers: floats, but for the raw tiles of raw_tile.h.
template <typename Tile>
struct tile_kind {
  using type = float;
};

// A type as an argument, for functions that differ by it.
template <typename T>
struct tile_numbers {};

// Loads the simdgroup's rows of `source` that exist, a column a lane, 0 elsewhere. All rows load at once, so
// that a thread waits for memory once: as T, since a conversion would wait too, and without conditions if all
// rows exist.
// Here and below a simdgroup owns ROWS rows, fewer than 16 if more than two simdgroups share a tile.
template <typename T, int ROWS = TILE_ROWS, typename Source>
METAL_FUNC void tile_fetch(thread T (&rows)[ROWS], Source source, tile_place place) {
  const int own = place.simdgroup * ROWS;
  const int first = place.begin - own;
  const int last = place.lane < source.columns ? place.end - own : 0;
  auto from = source.at + own * source.stride + place.lane;
  if (place.begin <= own && own + ROWS <= place.end && source.columns >= TILE) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; ++i) {
      rows[i] = static_cast<T>(from[i * source.stride]);
    }
  } else {
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; ++i) {
      rows[i] = i >= first && i < last ? static_cast<T>(from[i * source.stride]) : static_cast<T>(0.0f);
    }
  }
}

// The sums of the simdgroup's rows over the lanes; lanes 2 * i and 2 * i + 1 get row i's. It overwrites the
// rows.
METAL_FUNC float rows_sums(thread float (&rows)[TILE_ROWS], int lane) {
  const float half_sum = simd_sums<TILE_ROWS, 16>(rows, lane);
  return half_sum + metal::simd_shuffle_xor(half_sum, static_cast<ushort>(1));
}

// Converts `fetched` to float; with RESETS, rows outside [begin, end) become 0.
template <bool RESETS, typename T>
METAL_FUNC void rows_read(
    thread float (&rows)[TILE_ROWS], thread T (&fetched)[TILE_ROWS], int begin, int end, int simdgroup) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    rows[i] = RESETS && (row < begin || row >= end) ? 0.0f : static_cast<float>(fetched[i]);
  }
}

// Stores the simdgroup's rows of a tile: rows from tile_fetch times `factor`.
template <typename T = float, int ROWS = TILE_ROWS, typename Tile>
METAL_FUNC void tile_keep(Tile tile, thread T (&rows)[ROWS], float factor, int simdgroup, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; ++i) {
    tile[(simdgroup * ROWS + i) * TILE_STRIDE + lane] = factor * static_cast<float>(rows[i]);
  }
}

// Both together, from a source of T.
template <typename T, typename Tile, typename Source>
METAL_FUNC void tile_load(Tile tile, Source source, float factor, tile_place place) {
  T rows[TILE_ROWS];
  tile_fetch<T>(rows, source, place);
  tile_keep<T>(tile, rows, factor, place.simdgroup, place.lane);
}

// Both together for two tiles, of T and of U, whose rows load at the same time.
template <typename T, typename U, typename Tile, typename Source, typename Other>
METAL_FUNC void tile_load_both(
    Tile tile, Source source, Tile other, Other other_source, tile_place place, tile_numbers<float>) {
  T rows[TILE_ROWS];
  U other_rows[TILE_ROWS];
  tile_fetch<T>(rows, source, place);
  tile_fetch<U>(other_rows, other_source, place);
  tile_keep<T>(tile, rows, 1.0f, place.simdgroup, place.lane);
  tile_keep<U>(other, other_rows, 1.0f, place.simdgroup, place.lane);
}

template <typename T, typename U, typename Tile, typename Source, typename Other>
METAL_FUNC void tile_load_both(Tile tile, Source source, Tile other, Other other_source, tile_place place) {
  tile_load_both<T, U>(
      tile, source, other, other_source, place, tile_numbers<typename tile_kind<Tile>::type>());
}

// Stores the simdgroup's rows that exist to `destination`, rounded to T.
template <typename T, int ROWS = TILE_ROWS, typename Destination>
METAL_FUNC void rows_store(thread float (&rows)[ROWS], Destination destination, tile_place place) {
  const int own = place.simdgroup * ROWS;
  const int first = place.begin - own;
  const int last = place.lane < destination.columns ? place.end - own : 0;
  auto to = destination.at + own * destination.stride + place.lane;
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; ++i) {
    if (i >= first && i < last) {
      *to = static_cast<T>(rows[i]);
    }
    to += destination.stride;
  }
}

// Loads the simdgroup's rows of a tile, a column a lane.
template <int ROWS = TILE_ROWS, typename Tile>
METAL_FUNC void tile_rows(thread float (&rows)[ROWS], Tile tile, int simdgroup, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; ++i) {
    rows[i] = tile[(simdgroup * ROWS + i) * TILE_STRIDE + lane];
  }
}

// Sets the simdgroup's rows of a tile to 0 outside of the columns [begin, end), even NaN.
template <typename Tile>
METAL_FUNC void tile_within(Tile tile, int begin, int end, int simdgroup, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int at = (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane;
    tile[at] = lane >= begin && lane < end ? tile[at] : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// Stores the simdgroup's rows of a tile as rows_store does.
template <typename T, int ROWS = TILE_ROWS, typename Tile, typename Destination>
METAL_FUNC void tile_store(Tile tile, Destination destination, tile_place place) {
  float rows[ROWS];
  tile_rows<ROWS>(rows, tile, place.simdgroup, place.lane);
  rows_store<T, ROWS>(rows, destination, place);
}

// Matrix (row, column) of a tile, or of its transpose.
template <bool TRANSPOSED, typename Tile>
METAL_FUNC metal::simdgroup_float8x8 tile_matrix(Tile tile, int row, int column) {
  metal::simdgroup_float8x8 m;
  const int at = TRANSPOSED ? column * 8 * TILE_STRIDE + row * 8 : row * 8 * TILE_STRIDE + column * 8;
  metal::simdgroup_load(m, tile + at, TILE_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  return m;
}

// A matrix of T converted to To. An engine with blocks keeps the second copy that it loaded (blocks.h).
template <typename To, typename T>
METAL_FUNC metal::simdgroup_matrix<To, 8, 8> matrix_as(thread metal::simdgroup_matrix<T, 8, 8>& m) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  return metal::simdgroup_convert<To>(m);
#else
  metal::simdgroup_matrix<To, 8, 8> converted;
#pragma clang loop unroll(full)
  for (int e = 0; e < 2; ++e) {
    converted.thread_elements()[e] = static_cast<To>(m.thread_elements()[e]);
  }
  return converted;
#endif
}

// What products load of a tile: N matrices, one below the other, for the left, and side by side for the
// right.
template <bool TRANSPOSED, int N, typename Tile>
METAL_FUNC void tile_left(thread metal::simdgroup_float8x8 (&left)[N], Tile tile, int row, int column) {
#pragma clang loop unroll(full)
  for (int r = 0; r < N; ++r) {
    left[r] = tile_matrix<TRANSPOSED>(tile, row + r, column);
  }
}

template <bool TRANSPOSED, int N, typename Tile>
METAL_FUNC void tile_right(thread metal::simdgroup_float8x8 (&right)[N], Tile tile, int row, int column) {
#pragma clang loop unroll(full)
  for (int c = 0; c < N; ++c) {
    right[c] = tile_matrix<TRANSPOSED>(tile, row, column + c);
  }
}

// One matrix of a tile of T, or of its transpose.
template <bool TRANSPOSED, typename Tile>
METAL_FUNC metal::simdgroup_float8x8 tile_one(Tile tile, int row, int column, tile_numbers<float>) {
  return tile_matrix<TRANSPOSED>(tile, row, column);
}

// Four matrices from (row, column) on, [column][row], for the right of a product of two inner blocks.
template <bool TRANSPOSED, typename Tile>
METAL_FUNC void tile_square(
    thread metal::simdgroup_float8x8 (&square)[2][2], Tile tile, int row, int column) {
#pragma clang loop unroll(full)
  for (int c = 0; c < 2; ++c) {
#pragma clang loop unroll(full)
    for (int r = 0; r < 2; ++r) {
      square[c][r] = tile_matrix<TRANSPOSED>(tile, row + r, column + c);
    }
  }
}
