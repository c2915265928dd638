// Pairs of a tile's steps, j <= i: their scores, what these mix, and their part of the gates' gradient. A
// later step is a row, an earlier one a column.
#pragma once

#include <metal_stdlib>

#include "../common/tile.h"
#include "products.h"
#include "span.h"

// Which partner rows a kernel multiplies its outputs with.
enum {
  DOTS_NONE,
  DOTS_ALL,
  DOTS_CROSSING,
  DOTS_PAIRS,
};

// Three squares of 16 x 16 scores leave out what lies above the diagonal: (0, 0), (1, 0), (1, 1), dealt out
// to the simdgroups.
template <int SIMDGROUPS>
struct pair_scores {
  // By column, then by row.
  metal::simdgroup_float8x8 at[(2 + SIMDGROUPS) / SIMDGROUPS][2][2];
};

template <int SIMDGROUPS>
METAL_FUNC void scores_clear(thread pair_scores<SIMDGROUPS>& scores) {
#pragma clang loop unroll(full)
  for (int own = 0; own < (2 + SIMDGROUPS) / SIMDGROUPS; ++own) {
    tile_clear(scores.at[own][0]);
    tile_clear(scores.at[own][1]);
  }
}

// Adds what BLOCKS * 8 columns of later and earlier steps contribute.
template <int BLOCKS, typename A, typename B, int SIMDGROUPS, typename Tiles>
METAL_FUNC void scores_add(
    thread pair_scores<SIMDGROUPS>& scores, Tiles later, Tiles earlier, int simdgroup) {
#pragma clang loop unroll(full)
  for (int own = 0; own < (2 + SIMDGROUPS) / SIMDGROUPS; ++own) {
    const int square = own * SIMDGROUPS + simdgroup;
    const int row = square > 0 ? 2 : 0;
    const int column = square > 1 ? 2 : 0;
    for (int inner = 0; square < 3 && inner < BLOCKS; inner += 2) {
      metal::simdgroup_matrix<typename tile_kind<Tiles>::type, 8, 8> left[2][2];
      span_left<false>(left[0], later, row, inner);
      span_left<false>(left[1], later, row, inner + 1);
      span_multiply<true, A, B>(
          scores.at[own][0], scores.at[own][1], left[0], left[1], earlier, inner, column);
    }
  }
}

template <int SIMDGROUPS, typename Pairs>
METAL_FUNC void scores_put(thread pair_scores<SIMDGROUPS>& scores, Pairs pairs, int simdgroup) {
#pragma clang loop unroll(full)
  for (int own = 0; own < (2 + SIMDGROUPS) / SIMDGROUPS; ++own) {
    const int square = own * SIMDGROUPS + simdgroup;
    auto corner = pairs + (square > 0 ? 16 * TILE_STRIDE : 0) + (square > 1 ? 16 : 0);
#pragma clang loop unroll(full)
    for (int r = 0; r < 2; ++r) {
#pragma clang loop unroll(full)
      for (int c = 0; c < 2; ++c) {
        if (square < 3) {
          metal::simdgroup_store(scores.at[own][c][r], corner + r * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
        }
      }
    }
  }
}

// pairs[i][j] = M[i][j] scores[i][j] for the rows of a simdgroup, RATED with the rate of step j too; 0 above
// the diagonal and outside of the piece.
template <bool RATED, int ROWS, typename Pairs, typename Steps>
METAL_FUNC void pairs_weigh(
    Pairs pairs, thread float (&scores)[ROWS], Steps logs, Steps rates, tile_place rows) {
  const float from = logs[rows.lane];
  const float rate = RATED ? rates[rows.lane] : 1.0f;
#pragma clang loop unroll(full)
  for (int s = 0; s < ROWS; ++s) {
    const int i = rows.simdgroup * ROWS + s;
    const bool counts = rows.lane <= i && rows.lane >= rows.begin && i < rows.end;
    const float weight = metal::precise::exp(logs[i] - from) * rate;
    pairs[i * TILE_STRIDE + rows.lane] = counts ? scores[s] * weight : 0.0f;
  }
}

// out[i] += sum over j of pairs[i][j] values[j] or, REVERSE, out[j] += sum over i of pairs[i][j] values[i].
// Values are rounded to T and pairs to Pair.
template <bool REVERSE, typename T, typename Pair, typename Pairs>
METAL_FUNC void pairs_read(
    thread steps_values<SPAN_WIDE>& out, thread steps_values<SPAN_WIDE>& values, Pairs pairs) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_BLOCKS; i += 2) {
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE_BLOCKS; j += 2) {
      if (REVERSE ? j >= i : j <= i) {
        multiply_2x2x2<!REVERSE, T, Pair>(
            out.at[i], out.at[i + 1], values.at[j], values.at[j + 1], pairs, j, i);
      }
    }
  }
}

// For step `lane` the sum over pairs j < lane <= i of pairs[i][j] (partner[i] . values[j]), in all
// simdgroups.
template <typename SIZES, typename A, typename B, typename Pairs, typename Tiles>
METAL_FUNC float pairs_crossing(Pairs pairs, Tiles partner, Tiles values, Pairs scratch, tile_place rows) {
  pair_scores<SIZES::SIMDGROUPS> scores;
  scores_clear(scores);
  scores_add<SIZES::VALUE_TILES * TILE_BLOCKS, A, B>(scores, partner, values, rows.simdgroup);
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  scores_put(scores, scratch, rows.simdgroup);
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  float crossing = 0.0f;
#pragma clang loop unroll(full)
  for (int s = 0; s < SIZES::ROWS; ++s) {
    const int i = rows.simdgroup * SIZES::ROWS + s;
    const int cell = i * TILE_STRIDE + rows.lane;
    const float product = rows.lane < i && pairs[cell] != 0.0f ? pairs[cell] * scratch[cell] : 0.0f;
    const float before = metal::simd_shuffle_up(sums_upto(product, rows.lane), static_cast<ushort>(1));
    crossing += rows.lane > 0 && rows.lane <= i ? before : 0.0f;
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  scratch[rows.simdgroup * TILE + rows.lane] = crossing;
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  float total = 0.0f;
  for (int s = 0; s < SIZES::SIMDGROUPS; ++s) {
    total += scratch[s * TILE + rows.lane];
  }
  return total;
}
