// Scores of 64 steps, a square of 16 x 16 at a time: a strip is 16 steps. A table has the products of gates
// within a strip; between strips they are products of three. There is no division, so gates may be 0.
#pragma once

#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/raw_tile.h"
#include "../common/steps.h"
#include "../common/tile.h"

constexpr constant int STRIP = 16;
constexpr constant int STRIPS = 4;
// Four simdgroups share the squares on and below the diagonal; each has three at most.
constexpr constant int SQUARES = 3;

struct strip_square {
  int row;
  int column;
  bool there;
};

// The ten squares dealt out: (w, w) and (w, w - 1) to simdgroup w, the rest of column 0 and (3, 1) to the
// first two.
METAL_FUNC strip_square square_of(int simdgroup, int number) {
  strip_square square;
  square.row = number == 0 ? simdgroup : number == 2 ? STRIPS - 1 : metal::max(simdgroup, 2 - 2 * simdgroup);
  square.column = number == 1 && simdgroup > 0 ? simdgroup - 1 : simdgroup;
  square.there = number < 2 || simdgroup < 2;
  return square;
}

// Products of a strip's gates: M[i][j] = g[j+1] ... g[i], a row of 16 for each step i, and the products up to
// each step and after it.
template <typename Products>
struct strip_gates {
  Products table;
  Products upto;
  Products after;
};

// Makes those of the strip with a simdgroup's number.
template <bool RESETS, typename Products>
METAL_FUNC void strip_products(
    thread const strip_gates<Products>& products, Products gates, int simdgroup, int lane) {
  const int step = lane % STRIP;
  const int first = simdgroup * STRIP;
  float product = 1.0f;
  float weight = 1.0f;
#pragma clang loop unroll(full)
  for (int i = 0; i < STRIP; ++i) {
    const float gate = gates[first + i];
    product = i <= step ? decayed<RESETS>(product, gate) : product;
    weight = i <= step ? 1.0f : decayed<RESETS>(weight, gate);
    if (lane < STRIP) {
      products.table[(first + i) * STRIP + step] = i < step ? 0.0f : weight;
    }
  }
  if (lane < STRIP) {
    products.upto[first + step] = product;
    products.after[first + step] = weight;
  }
}

// A simdgroup's squares of scores, each by column, then by row.
struct strip_scores {
  metal::simdgroup_float8x8 at[SQUARES][2][2];
};

METAL_FUNC void strips_clear(thread strip_scores& scores) {
#pragma clang loop unroll(full)
  for (int n = 0; n < SQUARES; ++n) {
    tile_clear(scores.at[n][0]);
    tile_clear(scores.at[n][1]);
  }
}

// scores += q k^T over the 32 columns of two tiles each, one below the other and `below` tiles apart.
template <typename A, typename B, typename Tiles>
METAL_FUNC void strips_add(thread strip_scores& scores, Tiles queries, Tiles keys, int below, int simdgroup) {
#pragma clang loop unroll(full)
  for (int n = 0; n < SQUARES; ++n) {
    const strip_square square = square_of(simdgroup, n);
    if (square.there) {
      auto rows = tile_at(queries, square.row / 2 * below);
      auto columns = tile_at(keys, square.column / 2 * below);
#pragma clang loop unroll(full)
      for (int inner = 0; inner < TILE_BLOCKS; inner += 2) {
        metal::simdgroup_matrix<typename tile_kind<Tiles>::type, 8, 8> left[2][2];
        tile_left<false>(left[0], rows, square.row % 2 * 2, inner);
        tile_left<false>(left[1], rows, square.row % 2 * 2, inner + 1);
        multiply_2x2x2<true, A, B>(
            scores.at[n][0], scores.at[n][1], left[0], left[1], columns, inner, square.column % 2 * 2);
      }
    }
  }
}

// Multiplies the score of steps i and j by `factor` and the gates between them; the table has the product of
// those within a strip.
template <bool RESETS, typename Products>
METAL_FUNC void strips_decay(
    thread strip_scores& scores,
    thread const strip_gates<Products>& products,
    float factor,
    thread const steps_place& place,
    int simdgroup) {
#pragma clang loop unroll(full)
  for (int n = 0; n < SQUARES; ++n) {
    const strip_square square = square_of(simdgroup, n);
    float between = factor;
    for (int strip = square.column + 1; strip < square.row; ++strip) {
      between = decayed_both<RESETS>(between, products.upto[strip * STRIP + STRIP - 1]);
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < 2; ++r) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2; ++c) {
#pragma clang loop unroll(full)
        for (int e = 0; e < 2; ++e) {
          const int row = square.row * STRIP + r * 8 + place.row[e];
          const int column = c * 8 + place.column[e];
          const float apart = decayed_both<RESETS>(
              between,
              decayed_both<RESETS>(products.upto[row], products.after[square.column * STRIP + column]));
          const float weight =
              square.row == square.column ? factor * products.table[row * STRIP + column] : apart;
          const float score = scores.at[n][c][r].thread_elements()[e];
          scores.at[n][c][r].thread_elements()[e] = weight == 0.0f ? 0.0f : weight * score;
        }
      }
    }
  }
}

// Stores the scores, rounded to T, in three tiles: first chunk by first, second by first, second by second.
template <typename T, typename Tiles>
METAL_FUNC void strips_put(thread strip_scores& scores, Tiles tiles, int simdgroup) {
#pragma clang loop unroll(full)
  for (int n = 0; n < SQUARES; ++n) {
    const strip_square square = square_of(simdgroup, n);
    auto tile = tile_at(tiles, square.row / 2 + square.column / 2);
#pragma clang loop unroll(full)
    for (int r = 0; r < 2; ++r) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2; ++c) {
        if (square.there) {
          raw_store<T>(scores.at[n][c][r], tile, square.row % 2 * 2 + r, square.column % 2 * 2 + c);
        }
      }
    }
  }
}
