// Tiles of 32 x 32 floats in threadgroup memory, one row a step of a chunk and one column a lane, and their
// products on 8x8 matrices. Two simdgroups share a tile: simdgroup s owns the 16 rows from 16 * s on: it
// loads, stores and sums these.
//
// All helpers are METAL_FUNC, always inlined: on a CPU a call costs as much as the helper's work.
#pragma once

#include <metal_stdlib>

#include "carry.h"
#include "simd_sums.h"

constexpr constant int TILE = 32;
constexpr constant int TILE_BLOCKS = TILE / 8;
constexpr constant int TILE_SIMDGROUPS = 2;
// A simdgroup's part of a tile, in rows and in blocks of 8 rows.
constexpr constant int TILE_ROWS = TILE / TILE_SIMDGROUPS;
constexpr constant int TILE_OWN = TILE_ROWS / 8;
// Four floats of padding keep the rows of an 8x8 matrix in different banks.
constexpr constant int TILE_STRIDE = 36;
constexpr constant int TILE_SIZE = TILE * TILE_STRIDE;
// The stride of rows of 8 floats, padded so that lanes with a row each use different banks.
constexpr constant int ROW_STRIDE = 9;

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

// A simdgroup's rows of a product, as matrices.
struct tile_sum {
  metal::simdgroup_float8x8 at[TILE_OWN][TILE_BLOCKS];
};

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
METAL_FUNC void tile_load_both(Tile tile, Source source, Tile other, Other other_source, tile_place place) {
  T rows[TILE_ROWS];
  U other_rows[TILE_ROWS];
  tile_fetch<T>(rows, source, place);
  tile_fetch<U>(other_rows, other_source, place);
  tile_keep<T>(tile, rows, 1.0f, place.simdgroup, place.lane);
  tile_keep<U>(other, other_rows, 1.0f, place.simdgroup, place.lane);
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

// What products load of a tile: two matrices, one below the other, for the left, and N side by side for the
// right. A tile of floats is a pointer; raw_tile.h has another kind.
template <typename Tile>
struct tile_kind {
  using type = float;
};

template <bool TRANSPOSED, typename Tile>
METAL_FUNC void tile_left(
    thread metal::simdgroup_float8x8 (&left)[TILE_OWN], Tile tile, int row, int column) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
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

// The tile that is `number` tiles behind another.
template <typename Tile>
METAL_FUNC Tile tile_at(Tile tiles, int number) {
  return tiles + number * TILE_SIZE;
}

METAL_FUNC void tile_clear(thread metal::simdgroup_float8x8 (&blocks)[TILE_OWN]) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
    blocks[r] = metal::simdgroup_float8x8(0.0f);
  }
}

METAL_FUNC void tile_clear(thread tile_sum& sum) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c] = metal::simdgroup_float8x8(0.0f);
    }
  }
}

METAL_FUNC void tile_add(thread tile_sum& sum, thread tile_sum& other) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c].thread_elements() += other.at[r][c].thread_elements();
    }
  }
}

METAL_FUNC void tile_mix(thread tile_sum& sum, thread tile_sum& other, float factor) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c].thread_elements() += factor * other.at[r][c].thread_elements();
    }
  }
}

METAL_FUNC void tile_settle(thread tile_sum& state, thread tile_sum& rest) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      carry_settle(state.at[r][c], rest.at[r][c]);
    }
  }
}

// Multiplies the simdgroup's rows of a sum by `factor`.
METAL_FUNC void tile_times(thread tile_sum& sum, float factor) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c].thread_elements() *= factor;
    }
  }
}

// Four products at once: sum00 += left0 * right0 and so on. An engine may have one operation for them, faster
// if the types A and B, to which left and right may be rounded, have 16 bits. The products below have these
// types as parameters too.
template <typename A = float, typename B = float>
METAL_FUNC void multiply_2x2(
    thread metal::simdgroup_float8x8& sum00,
    thread metal::simdgroup_float8x8& sum01,
    thread metal::simdgroup_float8x8& sum10,
    thread metal::simdgroup_float8x8& sum11,
    thread metal::simdgroup_float8x8& left0,
    thread metal::simdgroup_float8x8& left1,
    thread metal::simdgroup_float8x8& right0,
    thread metal::simdgroup_float8x8& right1) {
#ifdef __HAVE_SIMDGROUP_MULTIPLY_2X2__
  metal::simdgroup_multiply_accumulate_2x2<A, B>(sum00, sum01, sum10, sum11, left0, left1, right0, right1);
#else
  metal::simdgroup_multiply_accumulate(sum00, left0, right0, sum00);
  metal::simdgroup_multiply_accumulate(sum01, left0, right1, sum01);
  metal::simdgroup_multiply_accumulate(sum10, left1, right0, sum10);
  metal::simdgroup_multiply_accumulate(sum11, left1, right1, sum11);
#endif
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

// multiply_2x2 of matrices that are kept in other types than float.
template <typename A, typename B, typename Left, typename Right>
METAL_FUNC void multiply_2x2(
    thread metal::simdgroup_float8x8& sum00,
    thread metal::simdgroup_float8x8& sum01,
    thread metal::simdgroup_float8x8& sum10,
    thread metal::simdgroup_float8x8& sum11,
    thread metal::simdgroup_matrix<Left, 8, 8>& left0,
    thread metal::simdgroup_matrix<Left, 8, 8>& left1,
    thread metal::simdgroup_matrix<Right, 8, 8>& right0,
    thread metal::simdgroup_matrix<Right, 8, 8>& right1) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  metal::simdgroup_multiply_accumulate_2x2<A, B>(sum00, sum01, sum10, sum11, left0, left1, right0, right1);
#else
  metal::simdgroup_float8x8 own0 = matrix_as<float>(left0);
  metal::simdgroup_float8x8 own1 = matrix_as<float>(left1);
  metal::simdgroup_float8x8 other0 = matrix_as<float>(right0);
  metal::simdgroup_float8x8 other1 = matrix_as<float>(right1);
  multiply_2x2<A, B>(sum00, sum01, sum10, sum11, own0, own1, other0, other1);
#endif
}

// Column blocks `column` and `column` + 1 of sum += left * right, for the simdgroup's rows of left.
template <typename A, typename B, typename Left, typename Right>
METAL_FUNC void tile_multiply(
    thread tile_sum& sum,
    thread metal::simdgroup_matrix<Left, 8, 8> (&left)[TILE_OWN],
    thread metal::simdgroup_matrix<Right, 8, 8>& right,
    thread metal::simdgroup_matrix<Right, 8, 8>& next,
    int column) {
  multiply_2x2<A, B>(
      sum.at[0][column],
      sum.at[0][column + 1],
      sum.at[1][column],
      sum.at[1][column + 1],
      left[0],
      left[1],
      right,
      next);
}

// Column block `inner` of the simdgroup's rows of a tile or of its transpose.
template <bool TRANSPOSED, typename T, typename Tile>
METAL_FUNC void tile_own(
    thread metal::simdgroup_matrix<T, 8, 8> (&left)[TILE_OWN], Tile tile, int simdgroup, int inner) {
  tile_left<TRANSPOSED>(left, tile, simdgroup * TILE_OWN, inner);
}

// sum += column block `inner` of left * row block `inner` of right.
template <bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED, typename A, typename B, typename Left, typename Right>
METAL_FUNC void tile_product_block(thread tile_sum& sum, Left left, Right right, int simdgroup, int inner) {
  metal::simdgroup_matrix<typename tile_kind<Left>::type, 8, 8> a[TILE_OWN];
  tile_own<LEFT_TRANSPOSED>(a, left, simdgroup, inner);
#pragma clang loop unroll(full)
  for (int c = 0; c < TILE_BLOCKS; c += 2) {
    metal::simdgroup_matrix<typename tile_kind<Right>::type, 8, 8> b[2];
    tile_right<RIGHT_TRANSPOSED>(b, right, inner, c);
    tile_multiply<A, B>(sum, a, b[0], b[1], c);
  }
}

// sum += left * right.
template <
    bool LEFT_TRANSPOSED,
    bool RIGHT_TRANSPOSED,
    typename A = float,
    typename B = float,
    typename Left,
    typename Right>
METAL_FUNC void tile_product(thread tile_sum& sum, Left left, Right right, int simdgroup) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__  // Products that depend on one another wait; a CPU has no use for it.
#pragma clang loop unroll(full)
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    tile_product_block<LEFT_TRANSPOSED, RIGHT_TRANSPOSED, A, B>(sum, left, right, simdgroup, inner);
  }
}

// sum += left * right or, TRANSPOSED, left^T * right, where left is lower triangular in blocks.
template <bool TRANSPOSED, typename A, typename B, typename Left, typename Right>
METAL_FUNC void tile_product_lower(thread tile_sum& sum, Left left, Right right, int simdgroup) {
  const int first = TRANSPOSED ? simdgroup * TILE_OWN : 0;
  const int last = TRANSPOSED ? TILE_BLOCKS : (simdgroup + 1) * TILE_OWN;
  for (int inner = first; inner < last; ++inner) {
    tile_product_block<TRANSPOSED, false, A, B>(sum, left, right, simdgroup, inner);
  }
}

// Stores the simdgroup's rows of a tile from matrices.
template <typename Tile>
METAL_FUNC void tile_put(thread tile_sum& sum, Tile tile, int simdgroup) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
    auto row = tile + (simdgroup * TILE_ROWS + r * 8) * TILE_STRIDE;
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_store(sum.at[r][c], row + c * 8, TILE_STRIDE);
    }
  }
}

// Loads the simdgroup's rows of a tile as matrices.
template <typename Tile>
METAL_FUNC void tile_get(thread tile_sum& sum, Tile tile, int simdgroup) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c] = tile_matrix<false>(tile, simdgroup * TILE_OWN + r, c);
    }
  }
}

// Multiplies 8 rows of a sum, COLUMNS matrices, by their weights; `weights` repeats each 8 times. With RESETS
// a weight of 0 sets a row to 0, even NaN.
template <bool RESETS, int COLUMNS, typename Weights>
METAL_FUNC void block_scale(thread metal::simdgroup_float8x8 (&row)[COLUMNS], Weights weights) {
  metal::simdgroup_float8x8 weight;
  metal::simdgroup_load(weight, weights, ROW_STRIDE);
#pragma clang loop unroll(full)
  for (int c = 0; c < COLUMNS; ++c) {
#pragma clang loop unroll(full)
    for (int e = 0; e < 2; ++e) {
      const float w = weight.thread_elements()[e];
      const float x = row[c].thread_elements()[e];
      row[c].thread_elements()[e] = RESETS && w == 0.0f ? 0.0f : w * x;
    }
  }
}

// Multiplies the simdgroup's rows of a sum by their weights.
template <bool RESETS, typename Weights>
METAL_FUNC void tile_scale(thread tile_sum& sum, Weights weights, int simdgroup) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
    block_scale<RESETS, TILE_BLOCKS>(sum.at[r], weights + (simdgroup * TILE_OWN + r) * 8 * ROW_STRIDE);
  }
}

// For the simdgroup's rows of products with a state: adds the gradient of each row's weight to `grad`, then
// multiplies the rows by the weights; `weights` repeats each 8 times.
template <typename Tile, typename Weights>
METAL_FUNC void tile_weigh(
    thread tile_sum& sum,
    thread metal::simdgroup_float8x8 (&grad)[TILE_OWN],
    Tile other,
    Weights weights,
    int simdgroup) {
#pragma clang loop unroll(full)
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    metal::simdgroup_matrix<typename tile_kind<Tile>::type, 8, 8> factors[TILE_OWN];
    tile_own<false>(factors, other, simdgroup, c);
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_OWN; ++r) {
      metal::simdgroup_float8x8 factor = matrix_as<float>(factors[r]);
      grad[r].thread_elements() += factor.thread_elements() * sum.at[r][c].thread_elements();
    }
  }
  tile_scale<false>(sum, weights, simdgroup);
}
