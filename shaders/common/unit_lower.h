// Inverses of unit lower triangular matrices I + M diag(rates) of 32 steps, where M is strictly lower: with
// N = -(I + M diag(rates))^-1 M they are I + N diag(rates), and that of I + diag(rates) M is
// I + diag(rates) N.
#pragma once

#include <metal_stdlib>

#include "tile.h"

// N from the tile M, of which what lies on and above the diagonal is not read. The rows of N depend on one
// another and its columns do not: one simdgroup solves, a column a lane.
template <typename Tile, typename Rates>
METAL_FUNC void unit_lower_inverse(Tile m, Tile n, Rates rates, int simdgroup, int lane) {
  float column[TILE];
#pragma clang loop unroll(full)
  for (int row = 0; row < TILE; ++row) {
    if (simdgroup == 0) {
      float sum = lane < row ? m[row * TILE_STRIDE + lane] : 0.0f;
#pragma clang loop unroll(full)
      for (int inner = 0; inner < TILE; ++inner) {
        if (inner < row) {
          sum = metal::fma(m[row * TILE_STRIDE + inner], column[inner], sum);
        }
      }
      n[row * TILE_STRIDE + lane] = -sum;
      column[row] = -sum * rates[row];
    }
  }
}
