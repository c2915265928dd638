// Tiles of 32 x 32 floats in threadgroup memory, one row a step of a chunk and one column a lane, and their
// products on 8x8 matrices. Four simdgroups share a tile: simdgroup r owns the 8 rows from 8 * r on, and
// loads, stores and sums up these.
#pragma once

#include <metal_stdlib>

constexpr constant int TILE = 32;
constexpr constant int TILE_BLOCKS = TILE / 8;
// Four floats of padding keep the rows of an 8x8 matrix in different banks.
constexpr constant int TILE_STRIDE = 36;

// Rows [begin, end) of `source` times `factor`, 0 elsewhere; its rows are `stride` apart.
template <typename Tile, typename Source>
inline void tile_load(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    int simdgroup,
    int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const bool live = row >= begin && row < end && lane < columns;
    tile[row * TILE_STRIDE + lane] = live ? factor * static_cast<float>(source[row * stride + lane]) : 0.0f;
  }
}

// The own rows of those [begin, end) of `source`, a column a lane, 0 elsewhere.
template <typename Source>
inline void tile_fetch(
    thread float (&rows)[8],
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = simdgroup * 8 + i;
    const bool live = row >= begin && row < end && lane < columns;
    rows[i] = live ? static_cast<float>(source[row * stride + lane]) : 0.0f;
  }
}

// Rows [begin, end) of a tile, rounded to T.
template <typename T, typename Tile, typename Destination>
inline void tile_store(
    Tile tile,
    Destination destination,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    if (row >= begin && row < end && lane < columns) {
      destination[row * stride + lane] = static_cast<T>(tile[row * TILE_STRIDE + lane]);
    }
  }
}

// Matrix (row, column) of a tile, or of its transpose.
template <bool TRANSPOSED, typename Tile>
inline metal::simdgroup_float8x8 tile_matrix(Tile tile, int row, int column) {
  metal::simdgroup_float8x8 m;
  const int at = TRANSPOSED ? column * 8 * TILE_STRIDE + row * 8 : row * 8 * TILE_STRIDE + column * 8;
  metal::simdgroup_load(m, tile + at, TILE_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  return m;
}

inline void tile_clear(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS]) {
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    sum[c] = metal::simdgroup_float8x8(0.0f);
  }
}

// sum += row block `row` of left * right, over the inner blocks [first, last).
template <bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED, typename Left, typename Right>
inline void tile_product(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Left left,
    Right right,
    int row,
    int first,
    int last) {
  for (int inner = first; inner < last; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<LEFT_TRANSPOSED>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      const metal::simdgroup_float8x8 b = tile_matrix<RIGHT_TRANSPOSED>(right, inner, c);
      metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
    }
  }
}

// sum += row block `row` of left * state; `state` lies in device memory, `inners` x `columns` blocks of it.
template <bool TRANSPOSED, typename Left, typename State>
inline void tile_product_state(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Left left,
    State state,
    int stride,
    int inners,
    int columns,
    int row) {
  for (int inner = 0; inner < metal::min(inners, TILE_BLOCKS); ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (c < columns) {
        metal::simdgroup_float8x8 b;
        const int at = TRANSPOSED ? c * 8 * stride + inner * 8 : inner * 8 * stride + c * 8;
        metal::simdgroup_load(b, state + at, stride, metal::ulong2(0, 0), TRANSPOSED);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}

// Row block `row` of a tile from its matrices.
template <typename Tile>
inline void tile_put(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile tile, int row) {
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    metal::simdgroup_store(sum[c], tile + row * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
  }
}

// Column block `column` of a tile from its matrices.
template <typename Tile>
inline void tile_put_column(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile tile, int column) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    metal::simdgroup_store(sum[r], tile + r * 8 * TILE_STRIDE + column * 8, TILE_STRIDE);
  }
}

// Row block `row` of products with a state: their gradient by the weight of each row is added to `grad`, then
// they get that weight. `weights` has each row's 8 times.
template <typename Tile, typename Weights>
inline void tile_weigh(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    thread metal::simdgroup_float8x8& grad,
    Tile other,
    Weights weights,
    int row) {
  metal::simdgroup_float8x8 weight;
  metal::simdgroup_load(weight, weights + row * 64, 8);
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    metal::simdgroup_float8x8 factor = tile_matrix<false>(other, row, c);
    grad.thread_elements() += factor.thread_elements() * sum[c].thread_elements();
    sum[c].thread_elements() *= weight.thread_elements();
  }
}
