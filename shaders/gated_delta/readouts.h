// A step reads the state twice: k[t] before it writes, whose gradient is -beta[t] d[t], and q[t] after, with
// scale * grad_o[t]. What is written is beta[t] e[t].
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/scores.h"
#include "../common/tile.h"

// Steps [begin, end) of grad_o, d and e to tiles; they arrive together.
template <typename TV, typename Tile, typename Grads, typename Errors>
METAL_FUNC void readouts_load(
    Tile outputs,
    Tile updates,
    Tile errors,
    Grads grad_o,
    Errors grad_update,
    Errors error,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  TV rows[TILE_ROWS];
  tile_fetch<TV>(rows, grad_o, stride, columns, begin, end, simdgroup, lane);
  tile_load_both<float, float>(
      updates, grad_update, 1.0f, errors, error, stride, columns, begin, end, simdgroup, lane);
  tile_keep<TV>(outputs, rows, 1.0f, simdgroup, lane);
}

// Adds up what lane `lane` has of d e in each of the own rows.
template <typename Tile>
METAL_FUNC void readouts_inner(
    thread float (&grad_rate)[TILE_ROWS], Tile updates, Tile errors, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int cell = (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane;
    grad_rate[i] = metal::fma(updates[cell], errors[cell], grad_rate[i]);
  }
}

// The gradient of `rates`, from what the lanes have of it.
template <typename T, typename Grads>
METAL_FUNC void readouts_grad_rate(
    thread float (&grad_rate)[TILE_ROWS],
    Grads grads,
    long stride,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  const float total = rows_sums(grad_rate, lane);
  const int row = simdgroup * TILE_ROWS + lane / 2;
  if (lane % 2 == 0 && row >= begin && row < end) {
    grads[row * stride] = static_cast<T>(total);
  }
}
