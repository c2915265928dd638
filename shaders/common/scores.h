// Scores of one chunk, sum over keys of q[i] k[j] times the gates between j and i, for all j <= i of 32
// steps.
//
// One gate a step: the decay of a pair is built by recurrence over i. With one gate a step and key:
// key_scores.h.
#pragma once

#include <metal_stdlib>

#include "gates.h"
#include "tile.h"

// sum += left * right^T, up to the blocks on the diagonal.
template <typename A = float, typename B = float, typename Left, typename Right>
METAL_FUNC void scores_product(thread tile_sum& sum, Left left, Right right, int simdgroup) {
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_matrix<typename tile_kind<Left>::type, 8, 8> a[TILE_OWN];
    tile_own<false>(a, left, simdgroup, inner);
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; c += TILE_OWN) {
      if (c <= simdgroup * TILE_OWN) {
        metal::simdgroup_matrix<typename tile_kind<Right>::type, 8, 8> b[TILE_OWN];
        tile_right<true>(b, right, inner, c);
        tile_multiply<A, B>(sum, a, b[0], b[1], c);
      }
    }
  }
}

// What simdgroups 0 to 2 of four own of that, 16 x 16 scores each: all but what lies above the diagonal.
template <typename A, typename B, typename Left, typename Right>
METAL_FUNC void scores_square(
    thread metal::simdgroup_float8x8 (&sum)[TILE_OWN][TILE_OWN], Left left, Right right, int simdgroup) {
  const int row = simdgroup > 0 ? TILE_OWN : 0;
  const int column = simdgroup > 1 ? TILE_OWN : 0;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_matrix<typename tile_kind<Left>::type, 8, 8> a[TILE_OWN];
    metal::simdgroup_matrix<typename tile_kind<Right>::type, 8, 8> b[TILE_OWN];
    tile_left<false>(a, left, row, inner);
    tile_right<true>(b, right, inner, column);
    multiply_2x2<A, B>(sum[0][0], sum[0][1], sum[1][0], sum[1][1], a[0], a[1], b[0], b[1]);
  }
}

template <typename Scores>
METAL_FUNC void scores_put_square(
    thread metal::simdgroup_float8x8 (&sum)[TILE_OWN][TILE_OWN], Scores scores, int simdgroup) {
  auto corner = scores + (simdgroup > 0 ? TILE_ROWS * TILE_STRIDE : 0) + (simdgroup > 1 ? TILE_ROWS : 0);
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_OWN; ++c) {
      metal::simdgroup_store(sum[r][c], corner + r * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
    }
  }
}

// scores[i][j] *= factor * g[j+1] ... g[i] for j <= i, and 0 above the diagonal; for the rows of one
// simdgroup.
template <bool RESETS, int ROWS = TILE_ROWS, typename Scores, typename Gates>
METAL_FUNC void scores_decay(Scores scores, Gates gates, float factor, int simdgroup, int lane) {
  float weight = gates_between<RESETS>(gates, simdgroup * ROWS, lane);
#pragma clang loop unroll(full)
  for (int i = 0; i < ROWS; ++i) {
    const int row = simdgroup * ROWS + i;
    const int at = row * TILE_STRIDE + lane;
    weight = row == lane ? 1.0f : decayed<RESETS>(weight, gates[row]);
    scores[at] = lane <= row ? factor * scores[at] * weight : 0.0f;
  }
}
