// How the steps of a chunk meet, for both rows x, q and a, with both keys y, k and b: the sum over keys of
// x[i] y[j] g[j+1] ... g[i] for j <= i; a[i] reads before its gate and before what is written at step i, so
// that its products end with g[i-1] and j < i. With the blocks of key_blocks.h: pairs within half a block are
// summed one by one, and other steps i and j meet at a boundary between them, the middle of a block, of half
// a chunk or of the chunk. x[i] takes the gates from there up to i, y[j] those behind j up to there, and each
// meeting is a product of matrices.
//
// Each simdgroup sees to the pairs within its block, and to the products of one x with one y: that with the
// number of its row and its column in [[q k, q b], [a k, a b]].
#pragma once

#include <metal_stdlib>

#include "../common/key_blocks.h"
#include "../common/simd_sums.h"
#include "../common/tile.h"

// The kinds of rows, and of keys.
constexpr constant int KINDS = 2;
constexpr constant int HALF = KEY_STEPS / 2;
// Pairs j <= i, and j < i, of half a block.
constexpr constant int PAIRS = HALF * (HALF + 1) / 2;
constexpr constant int PAIRS_BEFORE = HALF * (HALF - 1) / 2;
constexpr constant int KINDS_PAIRS = 2 * (PAIRS + PAIRS_BEFORE);
// Tiles of one kind: the rows and keys that meet within blocks, between two blocks, and between the halves.
constexpr constant int LEVELS = 3;

// Of both kinds, the own steps of a key.
struct key_rows {
  float x[KINDS][KEY_STEPS];
  float y[KINDS][KEY_STEPS];
};

// What a simdgroup has of meetings: of one product, within each two blocks, between blocks 0 and 1 and 2 and
// 3, and between the halves; a lane has the sum of one pair within the block, with k and with b.
struct meetings {
  metal::simdgroup_float8x8 within[2];
  metal::simdgroup_float8x8 between[2];
  metal::simdgroup_float8x8 halves[2][2];
  float pairs[KINDS];
};

METAL_FUNC void meetings_clear(thread meetings& own) {
#pragma clang loop unroll(full)
  for (int m = 0; m < 2; ++m) {
    own.within[m] = metal::simdgroup_float8x8(0.0f);
    own.between[m] = metal::simdgroup_float8x8(0.0f);
    own.halves[m][0] = metal::simdgroup_float8x8(0.0f);
    own.halves[m][1] = metal::simdgroup_float8x8(0.0f);
    own.pairs[m] = 0.0f;
  }
}

// Adds the pairs within half blocks. Those of q come first, first those of the first half.
template <bool RESETS>
METAL_FUNC void meetings_add_pairs(
    thread meetings& own, thread const key_rows& rows, thread const key_gates& gates, int lane) {
#pragma clang loop unroll(full)
  for (int kind = 0; kind < KINDS; ++kind) {
    float sums[KINDS_PAIRS];
#pragma clang loop unroll(full)
    for (int j = 0; j < KEY_STEPS; ++j) {
      const int side = j / HALF;
      float key = rows.y[kind][j];
#pragma clang loop unroll(full)
      for (int i = j % HALF; i < HALF; ++i) {
        const int step = side * HALF + i;
        if (step > j) {
          sums[2 * PAIRS + side * PAIRS_BEFORE + i * (i - 1) / 2 + j % HALF] = rows.x[1][step] * key;
          key = decayed<RESETS>(key, gates.at[step]);
        }
        sums[side * PAIRS + i * (i + 1) / 2 + j % HALF] = rows.x[0][step] * key;
      }
    }
    own.pairs[kind] += simd_sums<KINDS_PAIRS, 16>(sums, lane);
  }
}

// The own steps on their way to where they meet; `products` has those of the gates of each block.
template <bool RESETS, typename Tiles, typename Products>
METAL_FUNC void meetings_meet(
    Tiles tiles,
    Products products,
    thread const key_rows& rows,
    thread const key_gates& gates,
    tile_place place) {
  const bool odd = place.simdgroup % 2 == 1;
  const bool later = place.simdgroup >= KEY_BLOCKS / 2;
  const float across = key_to_middle(products, place);
  float upto[HALF];
  float after[HALF];
  float product = 1.0f;
#pragma clang loop unroll(full)
  for (int i = 0; i < HALF; ++i) {
    product = decayed<RESETS>(product, gates.at[HALF + i]);
    upto[i] = product;
  }
  product = 1.0f;
#pragma clang loop unroll(full)
  for (int j = HALF - 1; j >= 0; --j) {
    after[j] = product;
    product = decayed<RESETS>(product, gates.at[j]);
  }
#pragma clang loop unroll(full)
  for (int kind = 0; kind < KINDS; ++kind) {
    auto within = tiles + kind * LEVELS * TILE_SIZE;
    auto between = within + TILE_SIZE;
    auto halves = between + TILE_SIZE;
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      const int row = place.simdgroup * HALF + i % HALF;
      const float near = kind == 0 ? upto[i % HALF] : i > HALF ? upto[i % HALF - 1] : 1.0f;
      if (i < HALF) {
        within[(KEY_BLOCKS * HALF + row) * TILE_STRIDE + place.lane] = rows.y[kind][i] * after[i];
      } else {
        within[row * TILE_STRIDE + place.lane] = rows.x[kind][i] * near;
      }
      const float reading = rows.x[kind][i] * (kind == 0 ? gates.upto[i] : key_before(gates, i));
      const float written = rows.y[kind][i] * gates.after[i];
      between[key_cell(place, i)] = odd ? reading : written;
      halves[key_cell(place, i)] = decayed<RESETS>(later ? reading : written, across);
    }
  }
}

// Adds the own products of what met.
template <typename Tiles>
METAL_FUNC void meetings_add_products(thread meetings& own, Tiles tiles, int simdgroup) {
  auto x = tiles + simdgroup / KINDS * LEVELS * TILE_SIZE;
  auto y = tiles + simdgroup % KINDS * LEVELS * TILE_SIZE;
#ifdef __HAVE_SIMDGROUP_BLOCKS__  // As in tile_product.
#pragma clang loop unroll(full)
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_float8x8 row = tile_matrix<false>(x + 2 * TILE_SIZE, 2, inner);
    metal::simdgroup_float8x8 below = tile_matrix<false>(x + 2 * TILE_SIZE, 3, inner);
    metal::simdgroup_float8x8 column = tile_matrix<true>(y + 2 * TILE_SIZE, inner, 0);
    metal::simdgroup_float8x8 next = tile_matrix<true>(y + 2 * TILE_SIZE, inner, 1);
    multiply_2x2(
        own.halves[0][0], own.halves[0][1], own.halves[1][0], own.halves[1][1], row, below, column, next);
#pragma clang loop unroll(full)
    for (int pair = 0; pair < 2; ++pair) {
      row = tile_matrix<false>(x + TILE_SIZE, 2 * pair + 1, inner);
      column = tile_matrix<true>(y + TILE_SIZE, inner, 2 * pair);
      metal::simdgroup_multiply_accumulate(own.between[pair], row, column, own.between[pair]);
      row = tile_matrix<false>(x, pair, inner);
      column = tile_matrix<true>(y, inner, 2 + pair);
      metal::simdgroup_multiply_accumulate(own.within[pair], row, column, own.within[pair]);
    }
  }
}

// The own product to its tile, but for pairs within half blocks: 0 there and above the diagonal. `scratch`
// has room for two matrices.
template <typename Tile, typename Scratch>
METAL_FUNC void meetings_put_products(thread meetings& own, Tile tile, Scratch scratch, int lane) {
#pragma clang loop unroll(full)
  for (int row = 0; row < TILE; ++row) {
    tile[row * TILE_STRIDE + lane] = 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
  for (int m = 0; m < 2; ++m) {
    metal::simdgroup_store(own.within[m], scratch + m * 64, 8);
    metal::simdgroup_store(own.between[m], tile + (2 * m + 1) * 8 * TILE_STRIDE + 2 * m * 8, TILE_STRIDE);
    metal::simdgroup_store(own.halves[m][0], tile + (2 + m) * 8 * TILE_STRIDE, TILE_STRIDE);
    metal::simdgroup_store(own.halves[m][1], tile + (2 + m) * 8 * TILE_STRIDE + 8, TILE_STRIDE);
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  // Rows and keys of block 2m have the first four rows and columns of matrix m, those of the next the others.
#pragma clang loop unroll(full)
  for (int m = 0; m < 2; ++m) {
    const int block = 2 * m + lane / 16;
    const int i = lane / 4 % 4;
    const int j = lane % 4;
    tile[(block * 8 + HALF + i) * TILE_STRIDE + block * 8 + j] =
        scratch[m * 64 + (lane / 16 * HALF + i) * 8 + lane / 16 * HALF + j];
  }
}

// The own block's pairs to the tiles of all products.
template <typename Tiles>
METAL_FUNC void meetings_put_pairs(thread meetings& own, Tiles tiles, int simdgroup, int lane) {
  const bool before = lane >= 2 * PAIRS;
  const int count = before ? PAIRS_BEFORE : PAIRS;
  const int at = before ? lane - 2 * PAIRS : lane;
  const int side = at / count;
  const int pair = at % count;
  const int row = (pair >= 1) + (pair >= 3) + (pair >= 6);
  const int first = simdgroup * KEY_STEPS + side * HALF;
  const int cell = (first + row + before) * TILE_STRIDE + first + pair - row * (row + 1) / 2;
#pragma clang loop unroll(full)
  for (int kind = 0; kind < KINDS; ++kind) {
    tiles[(before * KINDS + kind) * TILE_SIZE + cell] = own.pairs[kind];
  }
}
