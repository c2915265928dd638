// The gradient of one gate a step, as the adjoint of the products of gates that a chunk of 32 steps is made
// with: no division, so gates may be 0.
#pragma once

#include <metal_stdlib>

#include "gates.h"
#include "tile.h"

// The gradients by the products of the gates between two steps: `products` holds g[j+1] ... g[i], `pairs`
// what is their gradient, and is used up. A step j a lane, and one simdgroup from the last step i to the
// first.
template <bool RESETS, typename Grads, typename Tile, typename Gates>
METAL_FUNC void grad_gates_of_pairs(Grads grads, Tile pairs, Tile products, Gates gates, tile_place place) {
  const int simdgroup = place.simdgroup;
  const int lane = place.lane;
  if (simdgroup == 0) {
    float carry = 0.0f;
    for (int i = place.end - 1; i >= place.begin; --i) {
      carry += pairs[i * TILE_STRIDE + lane];
      const float before = lane < i ? products[(i - 1) * TILE_STRIDE + lane] : 0.0f;
      pairs[i * TILE_STRIDE + lane] = carry * before;
      carry = decayed<RESETS>(carry, gates[i]);
    }
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  float rows[TILE_ROWS];
  tile_rows(rows, pairs, simdgroup, lane);
  const float total = rows_sums(rows, lane);
  if (lane % 2 == 0) {
    grads[simdgroup * TILE_ROWS + lane / 2] = total;
  }
}

// One matrix a row block to `rows` of 8.
template <typename Rows>
METAL_FUNC void blocks_put(thread metal::simdgroup_float8x8 (&blocks)[TILE_OWN], Rows rows, int simdgroup) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
    metal::simdgroup_store(blocks[r], rows + (simdgroup * TILE_OWN + r) * 8 * ROW_STRIDE, ROW_STRIDE);
  }
}

// What the matrices of the own rows have in each row, summed up into `sums`.
template <typename Sums, typename Scratch>
METAL_FUNC void row_sums(
    thread metal::simdgroup_float8x8 (&matrices)[TILE_OWN],
    Sums sums,
    Scratch scratch,
    int simdgroup,
    int lane) {
  blocks_put(matrices, scratch, simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  if (lane < TILE_ROWS) {
    const int row = simdgroup * TILE_ROWS + lane;
    float sum = 0.0f;
    for (int c = 0; c < 8; ++c) {
      sum += scratch[row * ROW_STRIDE + c];
    }
    sums[row] = sum;
  }
}

// The gradient of the gate of step `lane` by the products up to each step, whose gradients are `entering`, by
// those behind each step, `leaving`, and by that of all gates, `decay`; `before` and `after` are the products
// of the gates before and after the step.
template <bool RESETS, typename Sums, typename Gates>
METAL_FUNC float grad_gate_of_states(
    Sums entering, Sums leaving, float decay, Gates gates, float before, float after, int lane) {
  float from_state = decay;
  float to_state = 0.0f;
  for (int i = 0; i < TILE; ++i) {
    const int later = TILE - 1 - i;
    if (later > lane) {
      from_state = decayed<RESETS>(from_state + entering[later], gates[later]);
    }
    if (i < lane) {
      to_state = decayed<RESETS>(to_state, gates[i]) + leaving[i];
    }
  }
  return before * (from_state + entering[lane]) + after * to_state;
}
