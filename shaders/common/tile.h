// Sums and products of tiles of 32 x 32 numbers on 8x8 matrices: each of two simdgroups sums the rows that it
// owns.
#pragma once

#include <metal_stdlib>

#include "carry.h"
#include "raw_tile.h"
#include "tile_rows.h"

constexpr constant int TILE_BLOCKS = TILE / 8;
// A simdgroup's part of a tile, in blocks of 8 rows.
constexpr constant int TILE_OWN = TILE_ROWS / 8;
// The stride of rows of 8 floats, padded so that lanes with a row each use different banks.
constexpr constant int ROW_STRIDE = 9;

// A simdgroup's rows of a product, as matrices.
struct tile_sum {
  metal::simdgroup_float8x8 at[TILE_OWN][TILE_BLOCKS];
};

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

// sums[r] += left[r] * square[0][0] + more_left[r] * square[0][1], and nexts with square[1].
template <typename A, typename B, typename Left, typename Right>
METAL_FUNC void multiply_2x2x2(
    thread metal::simdgroup_float8x8 (&sums)[2],
    thread metal::simdgroup_float8x8 (&nexts)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&left)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&more_left)[2],
    thread metal::simdgroup_matrix<Right, 8, 8> (&square)[2][2]) {
#ifdef __HAVE_SIMDGROUP_MULTIPLY_2X2X2__
  metal::simdgroup_multiply_accumulate_2x2x2<A, B>(sums, nexts, left, more_left, square);
#else
  multiply_2x2<A, B>(sums[0], nexts[0], sums[1], nexts[1], left[0], left[1], square[0][0], square[1][0]);
  multiply_2x2<A, B>(
      sums[0], nexts[0], sums[1], nexts[1], more_left[0], more_left[1], square[0][1], square[1][1]);
#endif
}

// sums[r] += left[r] * right(row, column) + more_left[r] * right(row + 1, column), and nexts with the column
// after it, where right is a tile, or its transpose.
template <bool TRANSPOSED, typename A, typename B, typename Left, typename Right>
METAL_FUNC void multiply_2x2x2(
    thread metal::simdgroup_float8x8 (&sums)[2],
    thread metal::simdgroup_float8x8 (&nexts)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&left)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&more_left)[2],
    Right right,
    int row,
    int column) {
  using T = typename tile_kind<Right>::type;
#ifdef __HAVE_SIMDGROUP_MULTIPLY_2X2X2__
  metal::simdgroup_matrix<T, 8, 8> square[2][2];
  tile_square<TRANSPOSED>(square, right, row, column);
  multiply_2x2x2<A, B>(sums, nexts, left, more_left, square);
#else
  metal::simdgroup_matrix<T, 8, 8> own = tile_one<TRANSPOSED>(right, row, column, tile_numbers<T>());
  metal::simdgroup_matrix<T, 8, 8> next = tile_one<TRANSPOSED>(right, row, column + 1, tile_numbers<T>());
  multiply_2x2<A, B>(sums[0], nexts[0], sums[1], nexts[1], left[0], left[1], own, next);
  own = tile_one<TRANSPOSED>(right, row + 1, column, tile_numbers<T>());
  next = tile_one<TRANSPOSED>(right, row + 1, column + 1, tile_numbers<T>());
  multiply_2x2<A, B>(sums[0], nexts[0], sums[1], nexts[1], more_left[0], more_left[1], own, next);
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
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    metal::simdgroup_float8x8 weight;
    metal::simdgroup_load(weight, weights + row * 8 * ROW_STRIDE, ROW_STRIDE);
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_matrix<typename tile_kind<Tile>::type, 8, 8> own[1];
      tile_left<false>(own, other, row, c);
      metal::simdgroup_float8x8 factor = matrix_as<float>(own[0]);
      grad[r].thread_elements() += factor.thread_elements() * sum.at[r][c].thread_elements();
      sum.at[r][c].thread_elements() *= weight.thread_elements();
    }
  }
}
