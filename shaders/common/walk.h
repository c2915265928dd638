// A state that walks over chunks: a threadgroup owns WIDE * 8 of its values and all keys, a simdgroup TALL *
// 8 of these in registers, as 8x8 matrices with a row a value. What a chunk reads is summed up over
// simdgroups through threadgroup memory.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "tile.h"

// Rows of values in threadgroup memory, padded as those of a tile.
template <int WIDE>
constexpr constant int WALK_STRIDE = WIDE * 8 + 4;

template <int WIDE, int TALL>
struct walk_state {
  metal::simdgroup_float8x8 at[TALL][WIDE];
};

// Own keys of 8 steps.
template <int TALL, typename T = float>
struct walk_keys {
  metal::simdgroup_matrix<T, 8, 8> at[TALL];
};

// Own keys of a chunk. They are fetched a chunk ahead, so that no product waits for memory, and as T, because
// converting waits too.
template <int TALL, typename T = float>
struct walk_chunk {
  walk_keys<TALL, T> steps[TILE / 8];
};

// state += `source`, which has a row of Dk keys for each value; `columns` values are there.
template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_add(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    for (int row = 0; row < 8; ++row) {
      const bool live = lane < TALL * 8 && lane < keys && w * 8 + row < columns;
      scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(source[(w * 8 + row) * Dk + lane]) : 0.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int r = 0; r < TALL; ++r) {
      metal::simdgroup_float8x8 more = tile_matrix<false>(scratch, 0, r);
      state.at[r][w].thread_elements() += more.thread_elements();
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

template <int WIDE>
METAL_FUNC void walk_clear(thread metal::simdgroup_float8x8 (&row)[WIDE]) {
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    row[w] = metal::simdgroup_float8x8(0.0f);
  }
}

// The state from `source`, laid out as that of walk_add.
template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_begin(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
    walk_clear<WIDE>(state.at[r]);
  }
  walk_add<WIDE, TALL>(state, source, Dk, keys, columns, scratch, lane);
}

// The state to `destination`, laid out as the source of walk_begin, rounded to T.
template <int WIDE, int TALL, typename T = float, typename Destination, typename Tile>
METAL_FUNC void walk_end(
    thread walk_state<WIDE, TALL>& state,
    Destination destination,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
#pragma unroll
    for (int r = 0; r < TALL; ++r) {
      metal::simdgroup_store(state.at[r][w], scratch + r * 8, TILE_STRIDE);
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int row = 0; row < 8; ++row) {
      if (lane < TALL * 8 && lane < keys && w * 8 + row < columns) {
        destination[(w * 8 + row) * Dk + lane] = static_cast<T>(scratch[row * TILE_STRIDE + lane]);
      }
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// `rows` x `columns` matrices of the state to `blocks`, `wide` in a row of them for 8 keys. WHOLE says that
// all are there.
template <int WIDE, int TALL, bool WHOLE, typename Blocks>
METAL_FUNC void walk_save(
    thread walk_state<WIDE, TALL>& state, Blocks blocks, int wide, int rows, int columns) {
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      if (WHOLE || (r < rows && w < columns)) {
        block_store<false>(state.at[r][w], blocks + (r * wide + w) * BLOCK);
      }
    }
  }
}

// What a thread has of the 32 x 8 * WIDE values of a chunk: every STEP rows from `row` on, one column.
// `source` is at the first of them, `stride` from row to row; of rows there are `rows`, 0 stands for others.
template <int STEP, int CELLS, typename T, typename Source>
METAL_FUNC void walk_cells(thread T (&cells)[CELLS], Source source, int stride, int row, int rows) {
#pragma unroll
  for (int n = 0; n < CELLS; ++n) {
    cells[n] = row + n * STEP < rows ? static_cast<T>(*source) : static_cast<T>(0.0f);
    source += STEP * stride;
  }
}

// Own keys of a chunk from `blocks`, `wide` in a row of them for 8 steps, each on its side: by step to be
// read, by key to be written. `rows` matrices are there, all of them if WHOLE; 0 stands for the others.
template <int TALL, bool WHOLE, typename T, typename Blocks>
METAL_FUNC void walk_fetch(thread walk_chunk<TALL, T>& keys, Blocks blocks, int wide, int rows) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int r = 0; r < TALL; ++r) {
      const int row = WHOLE ? r : metal::max(metal::min(r, rows - 1), 0);
      keys.steps[i].at[r] = block_load<true, T>(blocks + (i * wide + row) * BLOCK);
      if (!WHOLE && r >= rows) {
        keys.steps[i].at[r] = metal::simdgroup_matrix<T, 8, 8>(static_cast<T>(0.0f));
      }
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
#pragma unroll
  for (int w = 0; w < WIDE; w += 2) {
    if (w + 1 < WIDE) {
      multiply_2x2<A, B>(sums[w], nexts[w], sums[w + 1], nexts[w + 1], left[w], left[w + 1], right, next);
    } else {
      metal::simdgroup_multiply_accumulate(sums[w], left[w], right, sums[w]);
      metal::simdgroup_multiply_accumulate(nexts[w], left[w], next, nexts[w]);
    }
  }
}

// What 16 steps, each matrix on its side, read of the state, to `product`.
template <int WIDE, int TALL, typename Product>
METAL_FUNC void walk_read(
    thread walk_state<WIDE, TALL>& state,
    thread walk_keys<TALL>& former,
    thread walk_keys<TALL>& latter,
    Product product) {
  metal::simdgroup_float8x8 sums[WIDE];
  metal::simdgroup_float8x8 nexts[WIDE];
  walk_clear<WIDE>(sums);
  walk_clear<WIDE>(nexts);
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
    walk_multiply<WIDE>(sums, nexts, state.at[r], former.at[r], latter.at[r]);
  }
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    auto to = product + w * 8;
    metal::simdgroup_store(sums[w], to, WALK_STRIDE<WIDE>, metal::ulong2(0, 0), true);
    metal::simdgroup_store(
        nexts[w], to + 8 * WALK_STRIDE<WIDE>, WALK_STRIDE<WIDE>, metal::ulong2(0, 0), true);
  }
}

template <int WIDE, int TALL, typename Product>
METAL_FUNC void walk_read(
    thread walk_state<WIDE, TALL>& state, thread walk_chunk<TALL>& keys, Product product) {
#pragma unroll
  for (int i = 0; i < TILE / 8; i += 2) {
    walk_read<WIDE, TALL>(state, keys.steps[i], keys.steps[i + 1], product + i * 8 * WALK_STRIDE<WIDE>);
  }
}

// Each key of the state times its decay, which is that of key `lane`, or 0 where nothing carries.
template <int WIDE, int TALL, typename Scratch>
METAL_FUNC void walk_decay(
    thread walk_state<WIDE, TALL>& state, float decay, bool carries, Scratch scratch, int lane) {
  for (int c = 0; c < 8; ++c) {
    scratch[lane * ROW_STRIDE + c] = decay;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
    metal::simdgroup_float8x8 weight;
    metal::simdgroup_load(weight, scratch + r * 8 * ROW_STRIDE, ROW_STRIDE, metal::ulong2(0, 0), true);
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      if (carries) {
        state.at[r][w].thread_elements() *= weight.thread_elements();
      } else {
        state.at[r][w] = metal::simdgroup_float8x8(0.0f);
      }
    }
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// state += values^T * keys, over STEPS * 8 steps; the values can be kept in A, the keys are in B. These are
// summed up before the state: in a sum over all of time the rounding of an engine's products would tell.
template <int WIDE, int TALL, int STEPS, typename A = float, typename B, typename Values>
METAL_FUNC void walk_write(
    thread walk_state<WIDE, TALL>& state, thread walk_keys<TALL, B> (&keys)[STEPS], Values values) {
#pragma unroll
  for (int r = 0; r < TALL; r += 2) {
    metal::simdgroup_float8x8 sums[WIDE];
    metal::simdgroup_float8x8 nexts[WIDE];
    walk_clear<WIDE>(sums);
    walk_clear<WIDE>(nexts);
#pragma unroll
    for (int i = 0; i < STEPS; ++i) {
      metal::simdgroup_float8x8 left[WIDE];
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        auto from = values + i * 8 * WALK_STRIDE<WIDE> + w * 8;
        metal::simdgroup_load(left[w], from, WALK_STRIDE<WIDE>, metal::ulong2(0, 0), true);
      }
      metal::simdgroup_float8x8 right = matrix_as_float(keys[i].at[r]);
      metal::simdgroup_float8x8 next = matrix_as_float(keys[i].at[r + 1]);
      walk_multiply<WIDE, A, B>(sums, nexts, left, right, next);
    }
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      state.at[r][w].thread_elements() += sums[w].thread_elements();
      state.at[r + 1][w].thread_elements() += nexts[w].thread_elements();
    }
  }
}
