// A span of tiles of 32 steps, over which a threadgroup walks with a state in registers: its rows in
// threadgroup memory, the decays of a tile, and the places of simdgroups. Notation as in mix.metal.
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/columns.h"
#include "../common/steps.h"
#include "../common/tile.h"
#include "../common/uniform.h"
#include "../common/walk.h"

// A threadgroup owns up to 64 values, a simdgroup 16 of them, two blocks of 8.
constexpr constant int SPAN_VALUES = 64;
constexpr constant int SPAN_WIDE = 2;

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

// 32 or 64 columns of the rows of a tile, as a thread holds them: a column a lane.
template <typename T, int ROWS, int TILES>
struct span_columns {
  T at[TILES][ROWS];
};

// They come from `source`, 0 in rows and columns that are not there, if NOW: before others that arrive
// meanwhile, or right before they are kept, where registers do not hold them so long.
template <bool NOW, typename T, int ROWS, int TILES, typename Source>
METAL_FUNC void span_fetch(
    thread span_columns<T, ROWS, TILES>& fetched, Source source, int stride, int columns, tile_place rows) {
#pragma clang loop unroll(full)
  for (int t = 0; NOW && t < TILES; ++t) {
    const int more = columns - t * TILE;
    auto from = source + (more > 0 ? t * TILE : 0);
    tile_fetch<T, ROWS>(fetched.at[t], view_of(from, stride, more), rows);
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

// One or two tiles to the rows in device memory; ADD sums up with what lies there.
template <typename T, int ROWS, int TILES, typename Tiles, typename Destination>
METAL_FUNC void span_store(
    Tiles tiles, Destination destination, int stride, int columns, bool add, tile_place rows) {
#pragma clang loop unroll(full)
  for (int t = 0; t < TILES; ++t) {
    const int column = t * TILE + rows.lane;
#pragma clang loop unroll(full)
    for (int i = 0; i < ROWS; ++i) {
      const int row = rows.simdgroup * ROWS + i;
      if (row >= rows.begin && row < rows.end && column < columns) {
        auto to = destination + row * stride + column;
        const float x = tiles[t * TILE_SIZE + row * TILE_STRIDE + rows.lane];
        *to = static_cast<T>(add ? static_cast<float>(*to) + x : x);
      }
    }
  }
}

// Block (row, column) of 8 x 8 numbers of one tile or two side by side, or of their transpose.
template <bool TRANSPOSED, typename Tiles>
METAL_FUNC metal::simdgroup_float8x8 span_matrix(Tiles tiles, int row, int column) {
  const int across = TRANSPOSED ? row : column;
  const int tile = across / TILE_BLOCKS;
  const int within = across % TILE_BLOCKS;
  return TRANSPOSED ? tile_matrix<true>(tiles + tile * TILE_SIZE, within, column)
                    : tile_matrix<false>(tiles + tile * TILE_SIZE, row, within);
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

// The values of a simdgroup as left operands of a product: a row a value, a column a step.
template <typename Tiles>
METAL_FUNC void span_values(thread steps_values<SPAN_WIDE>& values, Tiles tiles, int owner) {
#pragma clang loop unroll(full)
  for (int j = 0; j < TILE_BLOCKS; ++j) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      values.at[j][w] = span_matrix<true>(tiles, owner * SPAN_WIDE + w, j);
    }
  }
}

// Rows of a state's blocks from `first` on, += values * keys.
template <int BLOCKS, int TALL, typename T, typename Tiles>
METAL_FUNC void span_write(
    thread walk_state<SPAN_WIDE, TALL>& state,
    thread steps_values<SPAN_WIDE>& values,
    Tiles keys,
    int first) {
#pragma clang loop unroll(full)
  for (int r = 0; r < BLOCKS; r += 2) {
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE_BLOCKS; ++j) {
      metal::simdgroup_float8x8 right = span_matrix<false>(keys, j, r);
      metal::simdgroup_float8x8 next = span_matrix<false>(keys, j, r + 1);
      walk_multiply<SPAN_WIDE, float, T>(
          state.at[first + r], state.at[first + r + 1], values.at[j], right, next);
    }
  }
}

// BLOCKS rows of a state's blocks from `first` on times `decay`, or 0 where nothing carries.
template <int BLOCKS, int TALL>
METAL_FUNC void span_fade(thread walk_state<SPAN_WIDE, TALL>& state, int first, float decay, bool carries) {
#pragma clang loop unroll(full)
  for (int r = 0; r < BLOCKS; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      const metal::float2 x = state.at[first + r][w].thread_elements();
      state.at[first + r][w].thread_elements() = carries ? decay * x : metal::float2(0.0f);
    }
  }
}

// out += those rows * queries^T.
template <int BLOCKS, int TALL, typename T, typename Tiles>
METAL_FUNC void span_read(
    thread steps_values<SPAN_WIDE>& out,
    thread walk_state<SPAN_WIDE, TALL>& state,
    Tiles queries,
    int first) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_BLOCKS; i += 2) {
#pragma clang loop unroll(full)
    for (int r = 0; r < BLOCKS; ++r) {
      metal::simdgroup_float8x8 right = span_matrix<true>(queries, r, i);
      metal::simdgroup_float8x8 next = span_matrix<true>(queries, r, i + 1);
      walk_multiply<SPAN_WIDE, float, T>(out.at[i], out.at[i + 1], state.at[first + r], right, next);
    }
  }
}

// Sums up in part 0 what PARTS parts of a state have of the same values, through `scratch`.
template <int OWNERS, int PARTS, typename Scratch>
METAL_FUNC void span_sum(thread steps_values<SPAN_WIDE>& out, Scratch scratch, int simdgroup) {
  static_assert(PARTS <= 2, "a state must not have more than two parts");
  constexpr int SIZE = TILE_BLOCKS * SPAN_WIDE * BLOCK;
  if (PARTS > 1) {
    auto own = scratch + simdgroup % OWNERS * SIZE;
    if (simdgroup >= OWNERS) {
      blocks_store<false, true>(out.at, own, SPAN_WIDE, TILE_BLOCKS, SPAN_WIDE);
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_BLOCKS; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < SPAN_WIDE; ++w) {
        metal::simdgroup_float8x8 more = block_load<false>(own, i * SPAN_WIDE + w);
        if (simdgroup < OWNERS) {
          out.at[i][w].thread_elements() += more.thread_elements();
        }
      }
    }
  }
}

// For step `lane` the inner product of out and partner over the values of a threadgroup, in all simdgroups.
template <int OWNERS, typename Tiles>
METAL_FUNC float span_dot(
    thread steps_values<SPAN_WIDE>& out, Tiles partner, Tiles scratch, int part, int owner, int lane) {
  if (part == 0) {
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_BLOCKS; ++i) {
      metal::simdgroup_float8x8 products(0.0f);
#pragma clang loop unroll(full)
      for (int w = 0; w < SPAN_WIDE; ++w) {
        metal::simdgroup_float8x8 other = span_matrix<true>(partner, owner * SPAN_WIDE + w, i);
        products.thread_elements() += other.thread_elements() * out.at[i][w].thread_elements();
      }
      metal::simdgroup_store(products, scratch + owner * 8 * TILE_STRIDE + i * 8, TILE_STRIDE);
    }
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  float dot = 0.0f;
  for (int row = 0; row < OWNERS * 8; ++row) {
    dot += scratch[row * TILE_STRIDE + lane];
  }
  return dot;
}

// A simdgroup's values to tiles with a row a step.
template <typename Tiles>
METAL_FUNC void span_put(thread steps_values<SPAN_WIDE>& out, Tiles tiles, int owner) {
  auto own = tiles + owner / 2 * TILE_SIZE + owner % 2 * 16;
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_BLOCKS; ++i) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      metal::simdgroup_store(
          out.at[i][w], own + i * 8 * TILE_STRIDE + w * 8, TILE_STRIDE, metal::ulong2(0, 0), true);
    }
  }
}

// Where a simdgroup's part of a state lies: block (r, w) is at r * down + w * along blocks of `first`, of
// which `rows` x `columns` are there.
struct span_blocks {
  long first;
  int down;
  int along;
  int rows;
  int columns;
};

// Blocks of a state are stored by key, then by value; where the simdgroup has a row a key they are TURNED.
template <int R, int V, int DEEP, bool TURNED>
METAL_FUNC span_blocks span_blocks_at(long state, int value, int part) {
  constexpr int KEYS = (R + 7) / 8;
  constexpr int VALUES = (V + 7) / 8;
  const int key_block = part * DEEP * 8;
  const int value_block = value / 8;
  span_blocks at;
  at.down = TURNED ? 1 : VALUES;
  at.along = TURNED ? KEYS : 1;
  at.first = state * KEYS * VALUES + static_cast<long>(key_block) * at.down +
             static_cast<long>(value_block) * at.along;
  at.rows = KEYS - key_block;
  at.columns = VALUES - value_block;
  return at;
}

template <int TALL, bool TURNED, typename Blocks>
METAL_FUNC void span_load(
    thread walk_state<SPAN_WIDE, TALL>& state, Blocks blocks, thread const span_blocks& at) {
  auto own = blocks + at.first * BLOCK;
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      state.at[r][w] = metal::simdgroup_float8x8(0.0f);
      if (r < at.rows && w < at.columns) {
        state.at[r][w] = block_load<TURNED>(own, r * at.down + w * at.along);
      }
    }
  }
}

template <int TALL, bool TURNED, typename Blocks>
METAL_FUNC void span_save(
    thread walk_state<SPAN_WIDE, TALL>& state, Blocks blocks, thread const span_blocks& at) {
  auto own = blocks + at.first * BLOCK;
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      if (r < at.rows && w < at.columns) {
        block_store<TURNED>(state.at[r][w], own, r * at.down + w * at.along);
      }
    }
  }
}
