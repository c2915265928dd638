// Gates of a chunk of 32 steps, one a step or one a step and key, and products of them that only go forward:
// no division and no logarithm, so gates may be 0, negative or tiny.
#pragma once

#include <metal_stdlib>

#include "tile.h"

// A gate of 0 that stands for a reset forgets the product whatever it holds, infinity and NaN included.
template <bool RESETS>
inline float decayed(float product, float gate) {
  return RESETS && gate == 0.0f ? 0.0f : product * gate;
}

template <bool PER_KEY, typename Gates>
inline float gate_at(Gates gates, int row, int lane) {
  return gates[PER_KEY ? row * TILE_STRIDE + lane : row];
}

// The gates of the steps [begin, end) of `steps`: 0 where the state is reset and, where there are resets, at
// other steps, so that these cannot spoil anything; 1 past the end. `stride` lies between steps of g.
template <bool PER_KEY, bool RESETS, typename Gates, typename Source, typename Reset>
inline void gates_load(
    Gates gates,
    Source g,
    int stride,
    int columns,
    Reset reset,
    int begin,
    int end,
    int steps,
    int simdgroup,
    int lane) {
  for (int i = simdgroup; i < (PER_KEY ? TILE : 1); i += TILE_BLOCKS) {
    const int row = PER_KEY ? i : lane;
    const bool live = row < steps && (!PER_KEY || lane < columns);
    const bool forgets = RESETS && row < steps && (row < begin || row >= end || reset[row]);
    gates[PER_KEY ? row * TILE_STRIDE + lane : lane] =
        forgets ? 0.0f
        : live  ? static_cast<float>(g[row * stride + (PER_KEY ? lane : 0)])
                : 1.0f;
  }
}

// The product of the gates of rows [first, last).
template <bool PER_KEY, bool RESETS, typename Gates>
inline float gates_product(Gates gates, int first, int last, int lane) {
  float product = 1.0f;
  for (int row = first; row < last; ++row) {
    product = decayed<RESETS>(product, gate_at<PER_KEY>(gates, row, lane));
  }
  return product;
}

// Of one gate a step, the product of those behind step `lane` and before step `last`; 0 from `last` on.
template <bool RESETS, typename Gates>
inline float gates_between(Gates gates, int last, int lane) {
  float product = lane + 1 < last ? gates[lane + 1] : 1.0f;
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float later = metal::simd_shuffle_down(product, static_cast<ushort>(offset));
    const float both = RESETS && later == 0.0f ? 0.0f : decayed<RESETS>(later, product);
    product = lane + offset < TILE ? both : product;
  }
  return lane < last ? product : 0.0f;
}

// Of one gate a step, the products up to every row and of what comes after it, each by one simdgroup, a row a
// lane. With RESETS a product that has a 0 in it is 0, as in `decayed`.
template <bool RESETS, typename Gates, typename Products>
inline void gates_products(Gates gates, Products upto, Products after, int simdgroup, int lane) {
  if (simdgroup < 2) {
    const bool forward = simdgroup == 0;
    float product = forward ? gates[lane] : lane > 0 ? gates[TILE - lane] : 1.0f;
    for (int offset = 1; offset < TILE; offset *= 2) {
      const float before = metal::simd_shuffle_up(product, static_cast<ushort>(offset));
      const float both = RESETS && before == 0.0f ? 0.0f : decayed<RESETS>(before, product);
      product = lane >= offset ? both : product;
    }
    if (forward) {
      upto[lane] = product;
    } else {
      after[TILE - 1 - lane] = product;
    }
  }
}

// Own rows of a tile, as tile_fetch got them, times what the gates leave: of a state that enters the chunk by
// that row or, with SUFFIX, of that row at the chunk's end. Of one gate a step, `products` has these.
template <bool PER_KEY, bool SUFFIX, bool RESETS, typename Tile, typename Gates, typename Products>
inline void tile_keep_decayed(
    Tile tile,
    thread float (&rows)[8],
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  const int first = simdgroup * 8;
  float product = 1.0f;
  if (PER_KEY) {
    product = SUFFIX ? gates_product<true, RESETS>(gates, first + 8, TILE, lane)
                     : gates_product<true, RESETS>(gates, 0, first, lane);
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int at = SUFFIX ? 7 - i : i;
    const int row = first + at;
    float weight = product;
    if (PER_KEY) {
      product = decayed<RESETS>(product, gate_at<true>(gates, row, lane));
      weight = SUFFIX ? weight : product;
    } else {
      weight = products[row];
    }
    // A row that is not there is 0 whatever its weight.
    tile[row * TILE_STRIDE + lane] = rows[at] == 0.0f ? 0.0f : weight * (factor * rows[at]);
  }
}

// Both in one: tile_load with decayed rows.
template <
    bool PER_KEY,
    bool SUFFIX,
    bool RESETS,
    typename Tile,
    typename Source,
    typename Gates,
    typename Products>
inline void tile_load_decayed(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  float rows[8];
  tile_fetch(rows, source, stride, columns, begin, end, simdgroup, lane);
  tile_keep_decayed<PER_KEY, SUFFIX, RESETS>(tile, rows, factor, gates, products, simdgroup, lane);
}

// The first of `steps` steps that is reset, from step `begin` on, or `steps`.
template <bool RESETS, typename Reset>
inline int first_reset(Reset reset, int steps, int begin = 0) {
  int at = RESETS ? begin : steps;
  while (RESETS && at < steps && !reset[at]) {
    ++at;
  }
  return at;
}

// The last of `steps` steps that is reset, or 0.
template <bool RESETS, typename Reset>
inline int last_reset(Reset reset, int steps) {
  int at = RESETS ? steps - 1 : 0;
  while (RESETS && at > 0 && !reset[at]) {
    --at;
  }
  return at;
}
