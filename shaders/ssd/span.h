// A span of tiles of 32 steps, over which a threadgroup walks with a state in registers: its rows in
// threadgroup memory, the decays of a tile, and the places of simdgroups. Notation as in mix.metal.
#pragma once

#include <metal_stdlib>

#include "../common/raw_tile.h"
#include "../common/tile.h"
#include "../common/uniform.h"

// A threadgroup owns up to 64 values.
constexpr constant int SPAN_VALUES = 64;

// Sizes that follow from R numbers in a query and key and V in a value. Queries and keys are staged 64
// columns at a time, a slice, or 32 where that is enough. A simdgroup owns DEEP slices of the state at most.
template <int R, int V, int DEEP>
struct span_sizes {
  static_assert(DEEP == 1 || DEEP == 2, "a simdgroup must own one or two slices of the state");
  static constexpr constant int GROUPS = (V + SPAN_VALUES - 1) / SPAN_VALUES;
  static constexpr constant int OWNERS = V > 32 ? 4 : V > 16 ? 2 : 1;
  static constexpr constant int SLICES = (R + 63) / 64;
  static constexpr constant int PARTS = (SLICES + DEEP - 1) / DEEP;
  static constexpr constant int SIMDGROUPS = OWNERS * PARTS;
  static constexpr constant int TILES = R > 32 ? 2 : 1;
  static constexpr constant int VALUE_TILES = V > 32 ? 2 : 1;
  static constexpr constant int BLOCKS = R > 48 ? 8 : (R + 15) / 16 * 2;
  static constexpr constant int TALL = SLICES > 1 ? DEEP * 8 : BLOCKS;
  static constexpr constant int ROWS = TILE / SIMDGROUPS;
};

// 32 or 64 columns of the rows of a tile, as a thread holds them: a column a lane, or RAW two neighbours.
template <typename T, int ROWS, int TILES>
struct span_columns {
  T at[TILES][ROWS];
};

template <bool RAW, typename T, int ROWS, int TILES>
using span_rows = metal::conditional_t<RAW, raw_rows<T, ROWS, TILES>, span_columns<T, ROWS, TILES>>;

// They come from `source`, 0 in rows and columns that are not there, if NOW: before others that arrive
// meanwhile, or right before they are kept, where registers do not hold them so long.
template <bool NOW, typename T, int ROWS, int TILES, typename Source>
METAL_FUNC void span_fetch(thread span_columns<T, ROWS, TILES>& fetched, Source source, tile_place rows) {
#pragma clang loop unroll(full)
  for (int t = 0; NOW && t < TILES; ++t) {
    const int more = source.columns - t * TILE;
    auto from = source.at + (more > 0 ? t * TILE : 0);
    tile_fetch<T, ROWS>(fetched.at[t], view_of(from, source.stride, more), rows);
  }
}

template <bool NOW, typename T, int ROWS, int TILES, typename Source>
METAL_FUNC void span_fetch(thread raw_rows<T, ROWS, TILES>& fetched, Source source, tile_place rows) {
  if (NOW) {
    raw_fetch(fetched, source, rows);
  }
}

// They go to one or two tiles side by side.
template <typename T, int ROWS, int TILES, typename Tiles>
METAL_FUNC void span_keep(Tiles tiles, thread span_columns<T, ROWS, TILES>& fetched, tile_place rows) {
#pragma clang loop unroll(full)
  for (int t = 0; t < TILES; ++t) {
    tile_keep<T, ROWS>(tiles + t * TILE_SIZE, fetched.at[t], 1.0f, rows.simdgroup, rows.lane);
  }
}

template <typename T, int ROWS, int TILES, typename Tiles>
METAL_FUNC void span_keep(Tiles tiles, thread raw_rows<T, ROWS, TILES>& fetched, tile_place rows) {
  raw_keep<false>(tiles, fetched, rows);
}

// One or two tiles to the rows in device memory; ADD sums up with `others`, what was fetched of these.
template <bool ADD, typename T, int ROWS, int TILES, typename Tiles, typename Destination>
METAL_FUNC void span_store(
    Tiles tiles, thread span_columns<T, ROWS, TILES>& others, Destination destination, tile_place rows) {
  auto to = destination.at + rows.simdgroup * ROWS * destination.stride + rows.lane;
#pragma clang loop unroll(full)
  for (int t = 0; t < TILES; ++t) {
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; ++i) {
      const int row = rows.simdgroup * ROWS + i;
      if (row >= rows.begin && row < rows.end && t * TILE + rows.lane < destination.columns) {
        const float x = tiles[t * TILE_SIZE + row * TILE_STRIDE + rows.lane];
        to[i * destination.stride + t * TILE] =
            static_cast<T>(ADD ? static_cast<float>(others.at[t][i]) + x : x);
      }
    }
  }
}

// Of one number a lane, the sum of those of this lane and of all before it.
METAL_FUNC float sums_upto(float x, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float before = metal::simd_shuffle_up(x, static_cast<ushort>(offset));
    x += lane >= offset ? before : 0.0f;
  }
  return x;
}

// Of one number a lane, the sum of those of this lane and of all after it.
METAL_FUNC float sums_from(float x, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float after = metal::simd_shuffle_down(x, static_cast<ushort>(offset));
    x += lane + offset < TILE ? after : 0.0f;
  }
  return x;
}

// The decays of step `lane` of a tile, whose gates are e^x: from the tile's start up to it, and after it to
// the tile's end. x is 0 at steps that are not there.
struct span_decays {
  float log_upto;
  float upto;
  float after;
  float whole;
};

METAL_FUNC span_decays span_decays_of(float x, int lane) {
  const float rest = sums_from(x, lane);
  const float following = metal::simd_shuffle_down(rest, static_cast<ushort>(1));
  span_decays decays;
  decays.log_upto = sums_upto(x, lane);
  decays.upto = metal::precise::exp(decays.log_upto);
  decays.after = lane + 1 < TILE ? metal::precise::exp(following) : 1.0f;
  decays.whole = metal::precise::exp(uniform_broadcast(rest, 0));
  return decays;
}

// entering = decay * entering + added, where a decay of 0 forgets whatever enters.
METAL_FUNC float span_carried(float decay, float entering, float added) {
  return decay == 0.0f ? added : metal::fma(decay, entering, added);
}
