// Scores of one chunk, sum over keys of q[i] k[j] times the gates between j and i, for all j <= i of 32
// steps.
//
// One gate a step: the decay of a pair is built by recurrence over i. One gate a step and key: pairs are
// split by the highest bit `reach` in which i and j differ. The two lie in neighbouring halves of 2 * reach
// steps, so q[i] meets the gates from the middle to i, k[j] those from j to the middle, and a level is one
// product.
#pragma once

#include <metal_stdlib>

#include "gates.h"
#include "tile.h"

// sum += row block `row` of left * right^T, up to the block on the diagonal.
template <typename Tile>
inline void scores_product(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile left, Tile right, int row) {
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (c <= row) {
        const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, c);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}

// scores[i][j] *= g[j+1] ... g[i] for j <= i, and 0 above the diagonal; for the rows of one simdgroup.
template <bool RESETS, typename Scores, typename Gates>
inline void scores_decay(Scores scores, Gates gates, int simdgroup, int lane) {
  float weight = gates_between<RESETS>(gates, simdgroup * 8, lane);
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const int at = row * TILE_STRIDE + lane;
    weight = row == lane ? 1.0f : decayed<RESETS>(weight, gates[row]);
    scores[at] = lane <= row ? scores[at] * weight : 0.0f;
  }
}

// Masks of the pairs of an 8x8 block that differ first in bit 4, 2 or 1, each 64 long; SYMMETRIC with j > i
// too.
template <bool SYMMETRIC, typename Masks>
inline void masks_fill(Masks masks, int simdgroup, int lane) {
  const int reach = 4 >> simdgroup;
  for (int at = lane; simdgroup < 3 && at < 64; at += 32) {
    const int difference = at / 8 ^ at % 8;
    const bool level = difference >= reach && difference < 2 * reach;
    masks[simdgroup * 64 + at] = level && (SYMMETRIC || (at / 8 & reach) != 0) ? 1.0f : 0.0f;
  }
}

// The decay of a step to the middle of its 2 * reach steps: from the middle on for a later step, up to it
// else.
template <bool RESETS, typename Gates>
inline float decay_to_middle(Gates gates, int row, int reach, int lane) {
  const int middle = row / (2 * reach) * 2 * reach + reach;
  return row >= middle ? gates_product<true, RESETS>(gates, middle, row + 1, lane)
                       : gates_product<true, RESETS>(gates, row + 1, middle, lane);
}

// Whether blocks i and j of 8 steps differ first in bit `bit` of their numbers.
inline bool blocks_meet(int i, int j, int bit) {
  return (i ^ j) >= bit && (i ^ j) < 2 * bit;
}

// The steps of row block `simdgroup` on their way to the middle of 2 * reach steps, later ones from `later`.
template <bool RESETS, typename Tile, typename Gates>
inline void tile_meet(
    Tile meeting, Tile later, Tile earlier, Gates gates, int reach, int simdgroup, int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const int at = row * TILE_STRIDE + lane;
    meeting[at] =
        ((row & reach) != 0 ? later[at] : earlier[at]) * decay_to_middle<RESETS>(gates, row, reach, lane);
  }
}

// diagonal += mask o (row block `simdgroup` of left * right^T on the diagonal).
template <typename Tile, typename Mask>
inline void scores_add_masked(
    thread metal::simdgroup_float8x8& diagonal, Tile left, Tile right, Mask mask, int simdgroup) {
  metal::simdgroup_float8x8 sum(0.0f);
  metal::simdgroup_float8x8 chosen;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, simdgroup, inner);
    const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, simdgroup);
    metal::simdgroup_multiply_accumulate(sum, a, b, sum);
  }
  metal::simdgroup_load(chosen, mask, 8);
  diagonal.thread_elements() += chosen.thread_elements() * sum.thread_elements();
}

// Adds what 32 keys contribute to row block `simdgroup`: to sum below the diagonal block, to `diagonal`
// within it, and to `same` the score of step `lane` with itself. `masks` are those of masks_fill.
template <bool RESETS, typename Tile, typename Gates, typename Masks>
inline void scores_add(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    thread metal::simdgroup_float8x8& diagonal,
    thread float& same,
    Tile q,
    Tile k,
    Gates gates,
    Tile meeting,
    Masks masks,
    int simdgroup,
    int lane) {
  for (int reach = TILE / 2; reach >= 8; reach /= 2) {
    const int bit = reach / 8;
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      const metal::simdgroup_float8x8 a = tile_matrix<false>(meeting, simdgroup, inner);
#pragma unroll
      for (int c = 0; c < TILE_BLOCKS; ++c) {
        if (c < simdgroup && blocks_meet(simdgroup, c, bit)) {
          const metal::simdgroup_float8x8 b = tile_matrix<true>(meeting, inner, c);
          metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
        }
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const float score = metal::simd_sum(q[row * TILE_STRIDE + lane] * k[row * TILE_STRIDE + lane]);
    same += lane == row ? score : 0.0f;
  }
  for (int reach = 4; reach > 0; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_add_masked(
        diagonal,
        meeting,
        meeting,
        masks + (reach == 4   ? 0
                 : reach == 2 ? 64
                              : 128),
        simdgroup);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// sum += (row block `simdgroup` of the pairs that first differ in bit `reach`) * meeting; pairs are
// symmetric.
template <typename Pairs, typename Tile, typename Masks>
inline void scores_level(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Pairs pairs,
    Tile meeting,
    Masks masks,
    int reach,
    int simdgroup) {
  const int bit = reach / 8;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    if (bit == 0 ? inner == simdgroup : blocks_meet(simdgroup, inner, bit)) {
      metal::simdgroup_float8x8 a = tile_matrix<false>(pairs, simdgroup, inner);
      if (bit == 0) {
        metal::simdgroup_float8x8 chosen;
        metal::simdgroup_load(chosen, masks + (reach == 4 ? 0 : reach == 2 ? 64 : 128), 8);
        a.thread_elements() *= chosen.thread_elements();
      }
#pragma unroll
      for (int c = 0; c < TILE_BLOCKS; ++c) {
        const metal::simdgroup_float8x8 b = tile_matrix<false>(meeting, inner, c);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}

// The gradient of gate `row` where `grads` are those of the products from `first` up to each row before
// `last`, and `carry` that of the product of all of them.
template <bool RESETS, typename Grads, typename Gates>
inline float grad_gate_after(Grads grads, Gates gates, int first, int row, int last, float carry, int lane) {
  for (int i = last - 1; i > row; --i) {
    carry = decayed<RESETS>(carry + grads[i * TILE_STRIDE + lane], gates[i * TILE_STRIDE + lane]);
  }
  carry += grads[row * TILE_STRIDE + lane];
  return carry * gates_product<true, RESETS>(gates, first, row, lane);
}

// The same where `grads` are those of the products from behind each row, `first` the earliest, up to `last`.
template <bool RESETS, typename Grads, typename Gates>
inline float grad_gate_before(Grads grads, Gates gates, int first, int row, int last, int lane) {
  float carry = 0.0f;
  for (int i = first; i < row; ++i) {
    carry = decayed<RESETS>(carry, gates[i * TILE_STRIDE + lane]) + grads[i * TILE_STRIDE + lane];
  }
  return carry * gates_product<true, RESETS>(gates, row + 1, last, lane);
}
