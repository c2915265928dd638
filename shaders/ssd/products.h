// What the tiles of a span and a simdgroup's part of the state, with a row a value, make of one another.
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/steps.h"
#include "../common/tile.h"
#include "../common/walk.h"
#include "span.h"

// A simdgroup owns 16 values, two blocks of 8.
constexpr constant int SPAN_WIDE = 2;

// Whether products are tensor cores' work: these round sums towards zero, and a float takes work to be fit
// for them.
#ifdef __HAVE_SIMDGROUP_BLOCKS__
constexpr constant bool TENSOR_CORES = true;
#else
constexpr constant bool TENSOR_CORES = false;
#endif

// What products load to the left of one tile or two side by side, as tile_left of one.
template <bool TRANSPOSED, int N, typename T, typename Tiles>
METAL_FUNC void span_left(
    thread metal::simdgroup_matrix<T, 8, 8> (&left)[N], Tiles tiles, int row, int column) {
  auto tile = tile_at(tiles, (TRANSPOSED ? row : column) / TILE_BLOCKS);
  tile_left<TRANSPOSED>(
      left, tile, TRANSPOSED ? row % TILE_BLOCKS : row, TRANSPOSED ? column : column % TILE_BLOCKS);
}

// multiply_2x2x2 with them to the right.
template <bool TRANSPOSED, typename A, typename B, typename Left, typename Tiles>
METAL_FUNC void span_multiply(
    thread metal::simdgroup_float8x8 (&sums)[2],
    thread metal::simdgroup_float8x8 (&nexts)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&left)[2],
    thread metal::simdgroup_matrix<Left, 8, 8> (&more_left)[2],
    Tiles right,
    int row,
    int column) {
  auto tile = tile_at(right, (TRANSPOSED ? row : column) / TILE_BLOCKS);
  multiply_2x2x2<TRANSPOSED, A, B>(
      sums,
      nexts,
      left,
      more_left,
      tile,
      TRANSPOSED ? row % TILE_BLOCKS : row,
      TRANSPOSED ? column : column % TILE_BLOCKS);
}

// Two matrices with the values of a simdgroup down, from block `value` on, and the steps of a block along.
template <typename Tiles>
METAL_FUNC void span_turned(
    thread metal::simdgroup_float8x8 (&turned)[SPAN_WIDE],
    Tiles tiles,
    int value,
    int block,
    tile_numbers<float>) {
  auto tile = tiles + value / TILE_BLOCKS * TILE_SIZE;
#pragma clang loop unroll(full)
  for (int w = 0; w < SPAN_WIDE; ++w) {
    turned[w] = tile_matrix<true>(tile, value % TILE_BLOCKS + w, block);
  }
}

template <typename T, typename Tiles>
METAL_FUNC void span_turned(
    thread metal::simdgroup_float8x8 (&turned)[SPAN_WIDE],
    Tiles tiles,
    int value,
    int block,
    tile_numbers<T>) {
  metal::simdgroup_matrix<T, 8, 8> own[SPAN_WIDE];
  span_left<true>(own, tiles, value, block);
#pragma clang loop unroll(full)
  for (int w = 0; w < SPAN_WIDE; ++w) {
    turned[w] = matrix_as<float>(own[w]);
  }
}

// The values of a simdgroup as left operands of a product: a row a value, a column a step.
template <typename Tiles>
METAL_FUNC void span_values(thread steps_values<SPAN_WIDE>& values, Tiles tiles, int owner) {
#pragma clang loop unroll(full)
  for (int j = 0; j < TILE_BLOCKS; ++j) {
    span_turned(values.at[j], tiles, owner * SPAN_WIDE, j, tile_numbers<typename tile_kind<Tiles>::type>());
  }
}

// What a tile makes of a state: `decay` of it if it `carries`, else nothing, and what its steps write if any
// `writes`.
struct span_step {
  float decay;
  bool carries;
  bool writes;
};

// Two rows of blocks += values, which may be rounded to A, * columns `column` and the next of keys.
template <typename A, typename T, typename Tiles>
METAL_FUNC void span_write(
    thread metal::simdgroup_float8x8 (&row)[SPAN_WIDE],
    thread metal::simdgroup_float8x8 (&next)[SPAN_WIDE],
    thread steps_values<SPAN_WIDE>& values,
    Tiles keys,
    int column) {
#pragma clang loop unroll(full)
  for (int j = 0; j < TILE_BLOCKS; j += 2) {
    span_multiply<false, A, T>(row, next, values.at[j], values.at[j + 1], keys, j, column);
  }
}

// A row of a state's blocks = decay * itself, or nothing unless the step carries, + more.
METAL_FUNC void span_fade(
    thread metal::simdgroup_float8x8 (&row)[SPAN_WIDE],
    span_step step,
    thread const metal::simdgroup_float8x8 (&more)[SPAN_WIDE]) {
#pragma clang loop unroll(full)
  for (int w = 0; w < SPAN_WIDE; ++w) {
    const metal::float2 x = row[w].thread_elements();
    const metal::float2 own = more[w].thread_elements();
    row[w].thread_elements() = step.carries ? metal::fma(metal::float2(step.decay), x, own) : own;
  }
}

METAL_FUNC void span_fade(thread metal::simdgroup_float8x8 (&row)[SPAN_WIDE], span_step step) {
#pragma clang loop unroll(full)
  for (int w = 0; w < SPAN_WIDE; ++w) {
    const metal::float2 x = row[w].thread_elements();
    row[w].thread_elements() = step.carries ? step.decay * x : metal::float2(0.0f);
  }
}

// Rows of a state's blocks from `first` on = decay * them + values, which may be rounded to A, * keys.
template <int BLOCKS, int TALL, typename A, typename T, typename Tiles>
METAL_FUNC void span_advance(
    thread walk_state<SPAN_WIDE, TALL>& state,
    thread steps_values<SPAN_WIDE>& values,
    Tiles keys,
    int first,
    span_step step) {
  // Beside rows of 16 bits a walk is as long as a leg.
  constexpr bool APART = TENSOR_CORES && sizeof(T) == 2;
#pragma clang loop unroll(full)
  for (int r = 0; r < BLOCKS; r += 2) {
    if (APART) {
      metal::simdgroup_float8x8 sums[2][SPAN_WIDE];
      walk_clear<SPAN_WIDE>(sums[0]);
      walk_clear<SPAN_WIDE>(sums[1]);
      if (step.writes) {
        span_write<A, T>(sums[0], sums[1], values, keys, r);
      }
      span_fade(state.at[first + r], step, sums[0]);
      span_fade(state.at[first + r + 1], step, sums[1]);
    } else {
      span_fade(state.at[first + r], step);
      span_fade(state.at[first + r + 1], step);
      if (step.writes) {
        span_write<A, T>(state.at[first + r], state.at[first + r + 1], values, keys, r);
      }
    }
  }
}

// out += rows of a state's blocks from `first` on, which may be rounded to A, * queries^T. Two of these rows
// meet all steps where floats take work, else two blocks of steps meet all rows.
template <int BLOCKS, int TALL, typename A, typename T, typename Tiles>
METAL_FUNC void span_read(
    thread steps_values<SPAN_WIDE>& out,
    thread walk_state<SPAN_WIDE, TALL>& state,
    Tiles queries,
    int first) {
  constexpr int PAIRS = BLOCKS / 2;
#pragma clang loop unroll(full)
  for (int n = 0; n < PAIRS * TILE_BLOCKS / 2; ++n) {
    const int r = (TENSOR_CORES ? n / (TILE_BLOCKS / 2) : n % PAIRS) * 2;
    const int i = (TENSOR_CORES ? n % (TILE_BLOCKS / 2) : n / PAIRS) * 2;
    span_multiply<true, A, T>(
        out.at[i], out.at[i + 1], state.at[first + r], state.at[first + r + 1], queries, r, i);
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
template <int OWNERS, typename Tiles, typename Scratch>
METAL_FUNC float span_dot(
    thread steps_values<SPAN_WIDE>& out, Tiles partner, Scratch scratch, int part, int owner, int lane) {
  if (part == 0) {
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_BLOCKS; ++i) {
      metal::simdgroup_float8x8 products(0.0f);
      metal::simdgroup_float8x8 others[SPAN_WIDE];
      span_turned(others, partner, owner * SPAN_WIDE, i, tile_numbers<typename tile_kind<Tiles>::type>());
#pragma clang loop unroll(full)
      for (int w = 0; w < SPAN_WIDE; ++w) {
        products.thread_elements() += others[w].thread_elements() * out.at[i][w].thread_elements();
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
