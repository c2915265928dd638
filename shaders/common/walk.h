// The state of a walk over chunks: a threadgroup owns WIDE * 8 values and all keys, and each simdgroup TALL *
// 8 keys, in registers, as 8x8 matrices with a row a value.
#pragma once

#include <metal_stdlib>

#include "carry.h"
#include "tile.h"

template <int WIDE, int TALL>
struct walk_state {
  metal::simdgroup_float8x8 at[TALL][WIDE];
};

// state += `source`, which has a row of Dk keys for each value; `columns` values exist.
template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_add(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma clang loop unroll(full)
  for (int first = 0; first < TALL; first += TILE_BLOCKS) {
    const int key = first * 8 + lane;
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
      for (int row = 0; row < 8; ++row) {
        const bool live = key < TALL * 8 && key < keys && w * 8 + row < columns;
        scratch[row * TILE_STRIDE + lane] =
            live ? static_cast<float>(source[(w * 8 + row) * Dk + key]) : 0.0f;
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
      for (int r = 0; r < TILE_BLOCKS; ++r) {
        if (first + r < TALL) {
          metal::simdgroup_float8x8 more = tile_matrix<false>(scratch, 0, r);
          state.at[first + r][w].thread_elements() += more.thread_elements();
        }
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    }
  }
}

template <int WIDE>
METAL_FUNC void walk_clear(thread metal::simdgroup_float8x8 (&row)[WIDE]) {
#pragma clang loop unroll(full)
  for (int w = 0; w < WIDE; ++w) {
    row[w] = metal::simdgroup_float8x8(0.0f);
  }
}

template <int WIDE, int TALL>
METAL_FUNC void walk_clear(thread walk_state<WIDE, TALL>& state) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
    walk_clear<WIDE>(state.at[r]);
  }
}

// The state from `source`, in the layout of walk_add's.
template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_begin(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
  walk_clear<WIDE, TALL>(state);
  walk_add<WIDE, TALL>(state, source, Dk, keys, columns, scratch, lane);
}

// Stores the state to `destination`, in the layout of walk_begin's source, rounded to T.
template <int WIDE, int TALL, typename T = float, typename Destination, typename Tile>
METAL_FUNC void walk_end(
    thread walk_state<WIDE, TALL>& state,
    Destination destination,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma clang loop unroll(full)
  for (int first = 0; first < TALL; first += TILE_BLOCKS) {
    const int key = first * 8 + lane;
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
#pragma clang loop unroll(full)
      for (int r = 0; r < TILE_BLOCKS; ++r) {
        if (first + r < TALL) {
          metal::simdgroup_store(state.at[first + r][w], scratch + r * 8, TILE_STRIDE);
        }
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
      for (int row = 0; row < 8; ++row) {
        if (key < TALL * 8 && key < keys && w * 8 + row < columns) {
          destination[(w * 8 + row) * Dk + key] = static_cast<T>(scratch[row * TILE_STRIDE + lane]);
        }
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    }
  }
}

// state += rest, as carry_settle.
template <int WIDE, int TALL>
METAL_FUNC void walk_settle(thread walk_state<WIDE, TALL>& state, thread walk_state<WIDE, TALL>& rest) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
      carry_settle(state.at[r][w], rest.at[r][w]);
    }
  }
}

// Whether sums of many products are split in two: where products that depend on one another wait for one
// another, and registers hold both halves.
#ifdef __HAVE_SIMDGROUP_BLOCKS__
constexpr constant bool WALK_HALVES = true;
#else
constexpr constant bool WALK_HALVES = false;
#endif

// sum += more, the other half of a sum that was split.
template <int WIDE>
METAL_FUNC void walk_join(
    thread metal::simdgroup_float8x8 (&sum)[WIDE], thread metal::simdgroup_float8x8 (&more)[WIDE]) {
  if (WALK_HALVES) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
      sum[w].thread_elements() += more[w].thread_elements();
    }
  }
}

// sums[w] += left[w] * right, nexts[w] += left[w] * next.
template <int WIDE, typename A = float, typename B = float>
METAL_FUNC void walk_multiply(
    thread metal::simdgroup_float8x8 (&sums)[WIDE],
    thread metal::simdgroup_float8x8 (&nexts)[WIDE],
    thread metal::simdgroup_float8x8 (&left)[WIDE],
    thread metal::simdgroup_float8x8& right,
    thread metal::simdgroup_float8x8& next) {
#pragma clang loop unroll(full)
  for (int w = 0; w < WIDE; w += 2) {
    if (w + 1 < WIDE) {
      multiply_2x2<A, B>(sums[w], nexts[w], sums[w + 1], nexts[w + 1], left[w], left[w + 1], right, next);
    } else {
      metal::simdgroup_multiply_accumulate(sums[w], left[w], right, sums[w]);
      metal::simdgroup_multiply_accumulate(nexts[w], left[w], next, nexts[w]);
    }
  }
}
