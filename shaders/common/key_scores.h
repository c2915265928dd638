// Scores of one chunk with one gate a step and key, the sum over keys of q[i] k[j] g[j+1] ... g[i] for j <=
// i. With the blocks of key_blocks.h: pairs within a block are summed one by one; blocks 0 and 1 meet at the
// boundary between them, so do 2 and 3, and both halves of the chunk meet in its middle. q[i] takes the gates
// from the boundary up to i and k[j] those behind j up to it, and each meeting is a product.
#pragma once

#include <metal_stdlib>

#include "key_blocks.h"
#include "simd_sums.h"
#include "tile.h"

constexpr constant int KEY_OWN_PAIRS = KEY_STEPS * (KEY_STEPS + 1) / 2;
// Matrices of scores between blocks: the four of the halves, then (1, 0) and (3, 2).
constexpr constant int KEY_MATRICES = 6;

// What a thread has of the scores: its block's pairs for its key, and of the matrices between blocks what 8
// keys of 32 contribute.
struct key_scores {
  float own[KEY_OWN_PAIRS];
  metal::simdgroup_float8x8 between[KEY_MATRICES];
};

METAL_FUNC void key_clear(thread key_scores& scores) {
#pragma clang loop unroll(full)
  for (int p = 0; p < KEY_OWN_PAIRS; ++p) {
    scores.own[p] = 0.0f;
  }
#pragma clang loop unroll(full)
  for (int m = 0; m < KEY_MATRICES; ++m) {
    scores.between[m] = metal::simdgroup_float8x8(0.0f);
  }
}

// Where pair j <= i of a block stands: rows 7 - f and f of pairs make one of 9, whose last comes after all
// others.
METAL_FUNC int key_pair(int i, int j) {
  const int f = i < KEY_STEPS / 2 ? i : KEY_STEPS - 1 - i;
  const int x = i < KEY_STEPS / 2 ? KEY_STEPS - f + j : j;
  return x == KEY_STEPS ? KEY_STEPS * KEY_STEPS / 2 + f : f * KEY_STEPS + x;
}

// Adds the pairs within the own block; q reads BEFORE its gate, and then not what is written at its step.
template <bool RESETS, bool BEFORE = false>
METAL_FUNC void key_pairs_add(
    thread key_scores& scores,
    thread const float (&q)[KEY_STEPS],
    thread const float (&k)[KEY_STEPS],
    thread const key_gates& gates) {
#pragma clang loop unroll(full)
  for (int j = 0; j < KEY_STEPS; ++j) {
    float key = k[j];
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      if (BEFORE && i > j) {
        scores.own[key_pair(i, j)] = metal::fma(q[i], key, scores.own[key_pair(i, j)]);
        key = decayed<RESETS>(key, gates.at[i]);
      } else if (!BEFORE && i >= j) {
        key = i > j ? decayed<RESETS>(key, gates.at[i]) : key;
        scores.own[key_pair(i, j)] = metal::fma(q[i], key, scores.own[key_pair(i, j)]);
      }
    }
  }
}

// The own steps on their way to where pairs of blocks meet, `tiles`[0], and where the halves do, `tiles`[1];
// `products` has those of the gates of each block.
template <bool RESETS, bool BEFORE = false, typename Tiles, typename Products>
METAL_FUNC void key_scores_meet(
    Tiles tiles,
    Products products,
    thread const float (&q)[KEY_STEPS],
    thread const float (&k)[KEY_STEPS],
    thread const key_gates& gates,
    tile_place place) {
  const bool odd = place.simdgroup % 2 == 1;
  const bool later = place.simdgroup >= KEY_BLOCKS / 2;
  const float across = key_to_middle(products, place);
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const int cell = key_cell(place, i);
    const float query = q[i] * (BEFORE ? key_before(gates, i) : gates.upto[i]);
    const float key = k[i] * gates.after[i];
    tiles[cell] = odd ? query : key;
    tiles[TILE * TILE_STRIDE + cell] = decayed<RESETS>(later ? query : key, across);
  }
}

// Adds what the keys from 8 * `simdgroup` on contribute to the scores between blocks.
template <typename Tiles>
METAL_FUNC void key_scores_add(thread key_scores& scores, Tiles tiles, int simdgroup) {
  auto halves = tiles + TILE * TILE_STRIDE;
  metal::simdgroup_float8x8 a = tile_matrix<false>(halves, 2, simdgroup);
  metal::simdgroup_float8x8 below = tile_matrix<false>(halves, 3, simdgroup);
  metal::simdgroup_float8x8 b = tile_matrix<true>(halves, simdgroup, 0);
  metal::simdgroup_float8x8 next = tile_matrix<true>(halves, simdgroup, 1);
  multiply_2x2(scores.between[0], scores.between[1], scores.between[2], scores.between[3], a, below, b, next);
#pragma clang loop unroll(full)
  for (int pair = 0; pair < 2; ++pair) {
    metal::simdgroup_float8x8 queries = tile_matrix<false>(tiles, 2 * pair + 1, simdgroup);
    metal::simdgroup_float8x8 keys = tile_matrix<true>(tiles, simdgroup, 2 * pair);
    metal::simdgroup_multiply_accumulate(scores.between[4 + pair], queries, keys, scores.between[4 + pair]);
  }
}

// The scores to a tile, 0 above the diagonal. `parts` has room for KEY_BLOCKS * KEY_MATRICES matrices. What
// is accumulated is used up.
template <typename Tile, typename Parts>
METAL_FUNC void key_scores_put(thread key_scores& scores, Tile weights, Parts parts, tile_place place) {
  const int size = KEY_MATRICES * 64;
#pragma clang loop unroll(full)
  for (int m = 0; m < KEY_MATRICES; ++m) {
    metal::simdgroup_store(scores.between[m], parts + place.simdgroup * size + m * 64, 8);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    weights[key_cell(place, i)] = 0.0f;
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  for (int at = place.simdgroup * TILE + place.lane; at < size; at += KEY_BLOCKS * TILE) {
    const int m = at / 64;
    const int row = m < 4 ? 2 + m / 2 : 2 * m - 7;
    const int column = m < 4 ? m % 2 : 2 * m - 8;
    float sum = 0.0f;
#pragma clang loop unroll(full)
    for (int part = 0; part < KEY_BLOCKS; ++part) {
      sum += parts[part * size + at];
    }
    weights[(row * 8 + at / 8 % 8) * TILE_STRIDE + column * 8 + at % 8] = sum;
  }
  auto corner = weights + place.simdgroup * KEY_STEPS * (TILE_STRIDE + 1);
  float most[TILE];
  float rest[KEY_OWN_PAIRS - TILE];
#pragma clang loop unroll(full)
  for (int p = 0; p < TILE; ++p) {
    most[p] = scores.own[p];
  }
#pragma clang loop unroll(full)
  for (int p = TILE; p < KEY_OWN_PAIRS; ++p) {
    rest[p - TILE] = scores.own[p];
  }
  const int f = place.lane / KEY_STEPS;
  const int x = place.lane % KEY_STEPS;
  const int row = x + f < KEY_STEPS ? KEY_STEPS - 1 - f : f;
  const int column = x + f < KEY_STEPS ? x : x + f - KEY_STEPS;
  corner[row * TILE_STRIDE + column] = simd_sums<TILE, 16>(most, place.lane);
  float same = simd_sums<KEY_OWN_PAIRS - TILE, 16>(rest, place.lane);
#pragma clang loop unroll(full)
  for (int mask = 4; mask > 0; mask /= 2) {
    same += metal::simd_shuffle_xor(same, static_cast<ushort>(mask));
  }
  if (x == 0) {
    corner[f * (TILE_STRIDE + 1)] = same;
  }
}
