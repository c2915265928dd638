// Inverses of unit lower triangular matrices I - sign M diag(rates) of 32 steps, where M is strictly lower:
// with N = sign (I - sign M diag(rates))^-1 M they are I + N diag(rates), and that of I - sign diag(rates) M
// is I + diag(rates) N.
#pragma once

#include <metal_stdlib>

#include "tile.h"

// N from the tile M, of which what lies on and above the diagonal is not read. The rows of N depend on one
// another and its columns do not: one simdgroup solves, a column a lane, in sums that do not wait for one
// another.
template <typename Tile, typename Rates>
METAL_FUNC void unit_lower_inverse(Tile m, Tile n, Rates rates, float sign, int lane) {
  float column[TILE];
#pragma clang loop unroll(full)
  for (int row = 0; row < TILE; ++row) {
    float sums[4] = {lane < row ? m[row * TILE_STRIDE + lane] : 0.0f, 0.0f, 0.0f, 0.0f};
#pragma clang loop unroll(full)
    for (int inner = 0; inner < TILE; ++inner) {
      if (inner < row) {
        sums[inner % 4] = metal::fma(m[row * TILE_STRIDE + inner], column[inner], sums[inner % 4]);
      }
    }
    const float sum = sign * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    n[row * TILE_STRIDE + lane] = sum;
    column[row] = sum * rates[row];
  }
}
