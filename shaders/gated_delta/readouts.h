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

// Adds up, over the values of steps [begin, end), the scores of grad_o with e in `after` and those of d with
// e in `before`, both up to the diagonal block, and for each of the own rows what lane `lane` has of d e.
template <typename TV, typename Tile, typename Grads, typename Errors>
METAL_FUNC void readouts_scores(
    thread tile_sum& after,
    thread tile_sum& before,
    thread float (&grad_rate)[TILE_ROWS],
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
  for (int value = 0; value < columns; value += TILE) {
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    readouts_load<TV>(
        outputs,
        updates,
        errors,
        grad_o + value,
        grad_update + value,
        error + value,
        stride,
        columns - value,
        begin,
        end,
        simdgroup,
        lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_product<TV, float>(after, outputs, errors, simdgroup);
    scores_product(before, updates, errors, simdgroup);
    readouts_inner(grad_rate, updates, errors, simdgroup, lane);
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

// sum += the own rows of what values of steps [begin, end) make of a state: each row times `factor`
// and, with RATED, its rate.
template <bool RATED, bool WHOLE, typename Tile, typename Source, typename Rates, typename State>
METAL_FUNC void readouts_state(
    thread tile_sum& sum,
    Tile tile,
    Source source,
    Rates rates,
    State state,
    int stride,
    int columns,
    int keys,
    int begin,
    int end,
    float factor,
    int simdgroup,
    int lane) {
  const int blocks = (columns + 7) / 8;
  for (int value = 0; value < columns; value += TILE) {
    float rows[TILE_ROWS];
    tile_fetch<float>(rows, source + value, stride, columns - value, begin, end, simdgroup, lane);
#pragma unroll
    for (int i = 0; i < TILE_ROWS; ++i) {
      rows[i] *= RATED ? rates[simdgroup * TILE_ROWS + i] : 1.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_keep(tile, rows, factor, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_product_state<true, WHOLE>(
        sum, tile, state + value / 8 * BLOCK, blocks, blocks - value / 8, (keys + 7) / 8, simdgroup);
  }
}

// The own rows of a product, a column a lane; `tile` passes them on.
template <typename Tile>
METAL_FUNC void readouts_take(
    thread float (&rows)[TILE_ROWS], thread tile_sum& product, Tile tile, int simdgroup, int lane) {
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_put(product, tile, simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_rows(rows, tile, simdgroup, lane);
}
