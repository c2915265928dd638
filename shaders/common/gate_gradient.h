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
inline void grad_gates_of_pairs(
    Grads grads, Tile pairs, Tile products, Gates gates, int begin, int end, int simdgroup, int lane) {
  if (simdgroup == 0) {
    float carry = 0.0f;
    for (int i = end - 1; i >= begin; --i) {
      carry += pairs[i * TILE_STRIDE + lane];
      const float before = lane < i ? products[(i - 1) * TILE_STRIDE + lane] : 0.0f;
      pairs[i * TILE_STRIDE + lane] = carry * before;
      carry = decayed<RESETS>(carry, gates[i]);
    }
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = simdgroup * 8 + i;
    const float total = metal::simd_sum(pairs[row * TILE_STRIDE + lane]);
    if (lane == 0) {
      grads[row] = total;
    }
  }
}

// The inner product of the state that enters with the adjoint of the one that leaves, `size` numbers each, is
// the gradient of all gates' product: a part for each simdgroup.
template <typename Parts, typename State>
inline void grad_decay_parts(
    Parts parts, State state, State adjoint, int size, bool carries, int simdgroup, int lane) {
  float inner = 0.0f;
  if (carries) {
    for (int i = simdgroup * TILE + lane; i < size; i += TILE_BLOCKS * TILE) {
      inner += state[i] * adjoint[i];
    }
  }
  inner = metal::simd_sum(inner);
  if (lane == 0) {
    parts[simdgroup] = inner;
  }
}

// What a matrix has in each of its rows, summed up into `sums`, one row block a simdgroup.
template <typename Sums, typename Scratch>
inline void row_sums(
    thread metal::simdgroup_float8x8& matrix, Sums sums, Scratch scratch, int simdgroup, int lane) {
  metal::simdgroup_store(matrix, scratch + simdgroup * 64, 8);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  if (lane < 8) {
    float sum = 0.0f;
    for (int c = 0; c < 8; ++c) {
      sum += scratch[simdgroup * 64 + lane * 8 + c];
    }
    sums[simdgroup * 8 + lane] = sum;
  }
}

// The gradient of the gate of step `lane` by the products up to each step, whose gradients are `entering`, by
// those behind each step, `leaving`, and by that of all gates, `decay`; `before` and `after` are the products
// of the gates before and after the step.
template <bool RESETS, typename Sums, typename Gates>
inline float grad_gate_of_states(
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
