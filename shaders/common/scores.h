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

// sum += left * right^T, up to the blocks on the diagonal.
template <typename A = float, typename B = float, typename Left, typename Right>
METAL_FUNC void scores_product(thread tile_sum& sum, Left left, Right right, int simdgroup) {
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_float8x8 a[TILE_OWN];
    tile_own<false>(a, left, simdgroup, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; c += TILE_OWN) {
      if (c <= simdgroup * TILE_OWN) {
        metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, c);
        metal::simdgroup_float8x8 next = tile_matrix<true>(right, inner, c + 1);
        tile_multiply<A, B>(sum, a, b, next, c);
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
    metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
    metal::simdgroup_float8x8 below = tile_matrix<false>(left, row + 1, inner);
    metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, column);
    metal::simdgroup_float8x8 next = tile_matrix<true>(right, inner, column + 1);
    multiply_2x2<A, B>(sum[0][0], sum[0][1], sum[1][0], sum[1][1], a, below, b, next);
  }
}

template <typename Scores>
METAL_FUNC void scores_put_square(
    thread metal::simdgroup_float8x8 (&sum)[TILE_OWN][TILE_OWN], Scores scores, int simdgroup) {
  auto corner = scores + (simdgroup > 0 ? TILE_ROWS * TILE_STRIDE : 0) + (simdgroup > 1 ? TILE_ROWS : 0);
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
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
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    const int row = simdgroup * ROWS + i;
    const int at = row * TILE_STRIDE + lane;
    weight = row == lane ? 1.0f : decayed<RESETS>(weight, gates[row]);
    scores[at] = lane <= row ? factor * scores[at] * weight : 0.0f;
  }
}

// The own rows of scores times the rate of the step that writes, which is `rate` for step `lane`.
template <typename Scores>
METAL_FUNC void scores_rate(Scores scores, float rate, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    scores[(simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane] *= rate;
  }
}

// Masks of the pairs of an 8x8 block that differ first in bit 4, 2 or 1, each 64 long; SYMMETRIC with j > i
// too.
template <bool SYMMETRIC, typename Masks>
METAL_FUNC void masks_fill(Masks masks, int simdgroup, int lane) {
  for (int at = simdgroup * 32 + lane; at < 3 * 64; at += TILE_SIMDGROUPS * 32) {
    const int reach = 4 >> at / 64;
    const int row = at / 8 % 8;
    const int difference = row ^ at % 8;
    const bool level = difference >= reach && difference < 2 * reach;
    masks[at] = level && (SYMMETRIC || (row & reach) != 0) ? 1.0f : 0.0f;
  }
}

// The mask of the pairs that differ first in bit `reach`.
template <typename Masks>
METAL_FUNC Masks masks_level(Masks masks, int reach) {
  return masks + (reach == 4 ? 0 : reach == 2 ? 64 : 128);
}

// The decay of a step to the middle of its 2 * reach steps: from the middle on for a later step, up to it
// else.
template <bool RESETS, typename Gates>
METAL_FUNC float decay_to_middle(Gates gates, int row, int reach, int lane) {
  const int middle = row / (2 * reach) * 2 * reach + reach;
  return row >= middle ? gates_product<RESETS>(gates, middle, row + 1, lane)
                       : gates_product<RESETS>(gates, row + 1, middle, lane);
}

// Whether blocks i and j of 8 steps differ first in bit `bit` of their numbers.
METAL_FUNC bool blocks_meet(int i, int j, int bit) {
  return (i ^ j) >= bit && (i ^ j) < 2 * bit;
}

// The own steps on their way to the middle of 2 * reach steps, later ones from `later`.
template <bool RESETS, typename Tile, typename Gates>
METAL_FUNC void tile_meet(
    Tile meeting, Tile later, Tile earlier, Gates gates, int reach, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    const int at = row * TILE_STRIDE + lane;
    meeting[at] =
        ((row & reach) != 0 ? later[at] : earlier[at]) * decay_to_middle<RESETS>(gates, row, reach, lane);
  }
}

// diagonal += mask o (the own blocks of left * right^T on the diagonal).
template <typename Tile, typename Mask>
METAL_FUNC void scores_add_masked(
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN], Tile left, Tile right, Mask mask, int simdgroup) {
  metal::simdgroup_float8x8 chosen;
  metal::simdgroup_load(chosen, mask, 8);
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    metal::simdgroup_float8x8 sum(0.0f);
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
      const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, row);
      metal::simdgroup_multiply_accumulate(sum, a, b, sum);
    }
    diagonal[r].thread_elements() += chosen.thread_elements() * sum.thread_elements();
  }
}

// Adds what 32 keys contribute to the own rows of the scores: to sum below the diagonal blocks, to `diagonal`
// within them, and to `same` the score of step `lane` with itself. `masks` are those of masks_fill.
template <bool RESETS, typename Tile, typename Gates, typename Masks>
METAL_FUNC void scores_add(
    thread tile_sum& sum,
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN],
    thread float& same,
    Tile q,
    Tile k,
    Gates gates,
    Tile meeting,
    Masks masks,
    int simdgroup,
    int lane) {
  for (int reach = TILE / 2; reach >= 8; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int r = 0; r < TILE_OWN; ++r) {
      const int row = simdgroup * TILE_OWN + r;
      for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
        const metal::simdgroup_float8x8 a = tile_matrix<false>(meeting, row, inner);
#pragma unroll
        for (int c = 0; c < TILE_BLOCKS; ++c) {
          if (c < row && blocks_meet(row, c, reach / 8)) {
            const metal::simdgroup_float8x8 b = tile_matrix<true>(meeting, inner, c);
            metal::simdgroup_multiply_accumulate(sum.at[r][c], a, b, sum.at[r][c]);
          }
        }
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    const float score = metal::simd_sum(q[row * TILE_STRIDE + lane] * k[row * TILE_STRIDE + lane]);
    same += lane == row ? score : 0.0f;
  }
  for (int reach = 4; reach > 0; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_add_masked(diagonal, meeting, meeting, masks_level(masks, reach), simdgroup);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// The own blocks on the diagonal of a tile of scores.
template <typename Tile>
METAL_FUNC void scores_put_diagonal(
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN], Tile scores, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    auto corner = scores + (simdgroup * TILE_ROWS + r * 8) * (TILE_STRIDE + 1);
    metal::simdgroup_store(diagonal[r], corner, TILE_STRIDE);
  }
}

// sum += (the own rows of the pairs that first differ in bit `reach`) * meeting; pairs are symmetric.
template <typename Pairs, typename Tile, typename Masks>
METAL_FUNC void scores_level(
    thread tile_sum& sum, Pairs pairs, Tile meeting, Masks masks, int reach, int simdgroup) {
  const int bit = reach / 8;
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      if (bit == 0 ? inner == row : blocks_meet(row, inner, bit)) {
        metal::simdgroup_float8x8 a = tile_matrix<false>(pairs, row, inner);
        if (bit == 0) {
          metal::simdgroup_float8x8 chosen;
          metal::simdgroup_load(chosen, masks_level(masks, reach), 8);
          a.thread_elements() *= chosen.thread_elements();
        }
#pragma unroll
        for (int c = 0; c < TILE_BLOCKS; ++c) {
          const metal::simdgroup_float8x8 b = tile_matrix<false>(meeting, inner, c);
          metal::simdgroup_multiply_accumulate(sum.at[r][c], a, b, sum.at[r][c]);
        }
      }
    }
  }
}

// The gradient of gate `row` where `grads` are those of the products from `first` up to each row before
// `last`, and `carry` that of the product of all of them.
template <bool RESETS, typename Grads, typename Gates>
METAL_FUNC float grad_gate_after(
    Grads grads, Gates gates, int first, int row, int last, float carry, int lane) {
  for (int i = last - 1; i > row; --i) {
    carry = decayed<RESETS>(carry + grads[i * TILE_STRIDE + lane], gates[i * TILE_STRIDE + lane]);
  }
  carry += grads[row * TILE_STRIDE + lane];
  return carry * gates_product<RESETS>(gates, first, row, lane);
}

// The same where `grads` are those of the products from behind each row, `first` the earliest, up to `last`.
template <bool RESETS, typename Grads, typename Gates>
METAL_FUNC float grad_gate_before(Grads grads, Gates gates, int first, int row, int last, int lane) {
  float carry = 0.0f;
  for (int i = first; i < row; ++i) {
    carry = decayed<RESETS>(carry, gates[i * TILE_STRIDE + lane]) + grads[i * TILE_STRIDE + lane];
  }
  return carry * gates_product<RESETS>(gates, row + 1, last, lane);
}
