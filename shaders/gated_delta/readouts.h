// A step reads the state twice: k[t] before it writes, whose gradient is -beta[t] d[t], and q[t] after, with
// scale * grad_o[t]. What is written is beta[t] e[t].
#pragma once

#include <metal_stdlib>

#include "../common/scores.h"
#include "../common/tile.h"

// Adds up, over the values of steps [begin, end), the scores of grad_o with e in `after` and those of d with
// e in `before`, both up to the diagonal block, and for each of the 8 own rows what lane `lane` has of d e.
template <typename Tile, typename Grads, typename Errors>
inline void readouts_scores(
    thread metal::simdgroup_float8x8 (&after)[TILE_BLOCKS],
    thread metal::simdgroup_float8x8 (&before)[TILE_BLOCKS],
    thread float (&grad_rate)[8],
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
    const int wide = columns - value;
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_load(outputs, grad_o + value, stride, wide, begin, end, 1.0f, simdgroup, lane);
    tile_load(updates, grad_update + value, stride, wide, begin, end, 1.0f, simdgroup, lane);
    tile_load(errors, error + value, stride, wide, begin, end, 1.0f, simdgroup, lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_product(after, outputs, errors, simdgroup);
    scores_product(before, updates, errors, simdgroup);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int cell = (simdgroup * 8 + i) * TILE_STRIDE + lane;
      grad_rate[i] = metal::fma(updates[cell], errors[cell], grad_rate[i]);
    }
  }
}

// The gradient of `rates`, from what the lanes have of it.
template <typename T, typename Grads>
inline void readouts_grad_rate(
    thread float (&grad_rate)[8], Grads grads, long stride, int begin, int end, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = simdgroup * 8 + i;
    const float total = metal::simd_sum(grad_rate[i]);
    if (lane == 0 && row >= begin && row < end) {
      grads[row * stride] = static_cast<T>(total);
    }
  }
}

// sum += row block `simdgroup` of what values of steps [begin, end) make of a state: each row times `factor`
// and, with RATED, its rate.
template <bool RATED, typename Tile, typename Source, typename Rates, typename State>
inline void readouts_state(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
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
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
      const bool live = row >= begin && row < end && lane < columns - value;
      const float weight = RATED ? factor * rates[row] : factor;
      tile[row * TILE_STRIDE + lane] =
          live ? weight * static_cast<float>(source[row * stride + value + lane]) : 0.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_product_state<true>(
        sum, tile, state + value, blocks * 8, blocks - value / 8, (keys + 7) / 8, simdgroup);
  }
}

// The own rows of a product, a column a lane; `tile` passes them on.
template <int STEPS, typename Tile>
inline void readouts_take(
    thread float (&rows)[STEPS],
    thread metal::simdgroup_float8x8 (&product)[TILE_BLOCKS],
    Tile tile,
    int simdgroup,
    int lane) {
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_put(product, tile, simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
  for (int s = 0; s < STEPS; ++s) {
    rows[s] = tile[(simdgroup * STEPS + s) * TILE_STRIDE + lane];
  }
}
