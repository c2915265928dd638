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

// tile_load with each row times what the gates leave: of a state that enters the chunk by that row or, with
// SUFFIX, of that row at the chunk's end.
template <bool PER_KEY, bool SUFFIX, bool RESETS, typename Tile, typename Source, typename Gates>
inline void tile_load_decayed(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    Gates gates,
    int simdgroup,
    int lane) {
  const int first = simdgroup * 8;
  float product = SUFFIX ? gates_product<PER_KEY, RESETS>(gates, first + 8, TILE, lane)
                         : gates_product<PER_KEY, RESETS>(gates, 0, first, lane);
  for (int i = 0; i < 8; ++i) {
    const int row = SUFFIX ? first + 7 - i : first + i;
    const float gate = gate_at<PER_KEY>(gates, row, lane);
    const float weight = SUFFIX ? product : decayed<RESETS>(product, gate);
    product = decayed<RESETS>(product, gate);
    const bool live = row >= begin && row < end && lane < columns;
    tile[row * TILE_STRIDE + lane] =
        live ? weight * (factor * static_cast<float>(source[row * stride + lane])) : 0.0f;
  }
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
