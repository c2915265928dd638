// A state that walks over chunks: a threadgroup owns WIDE * 8 of its values and all keys, a simdgroup 32 of
// these in registers, as 8x8 matrices with a row a key. What a chunk reads is summed up over simdgroups
// through threadgroup memory.
#pragma once

#include <metal_stdlib>

#include "tile.h"

// Rows of values in threadgroup memory, padded as those of a tile.
template <int WIDE>
constexpr constant int WALK_STRIDE = WIDE * 8 + 4;

// state += `source`, which has a row of Dk keys for each value; `columns` values are there.
template <int WIDE, typename Source, typename Tile>
inline void walk_add(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int c = 0; c < WIDE; ++c) {
    for (int row = 0; row < 8; ++row) {
      const bool live = lane < keys && c * 8 + row < columns;
      scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(source[(c * 8 + row) * Dk + lane]) : 0.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      metal::simdgroup_float8x8 more = tile_matrix<true>(scratch, r, 0);
      state[r * WIDE + c].thread_elements() += more.thread_elements();
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// The state from `source`, laid out as that of walk_add.
template <int WIDE, typename Source, typename Tile>
inline void walk_begin(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int i = 0; i < TILE_BLOCKS * WIDE; ++i) {
    state[i] = metal::simdgroup_float8x8(0.0f);
  }
  walk_add<WIDE>(state, source, Dk, keys, columns, scratch, lane);
}

// The state to `destination`, laid out as the source of walk_begin, rounded to T.
template <int WIDE, typename T = float, typename Destination, typename Tile>
inline void walk_end(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Destination destination,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int c = 0; c < WIDE; ++c) {
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      metal::simdgroup_store(state[r * WIDE + c], scratch + r * 8, TILE_STRIDE, metal::ulong2(0, 0), true);
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int row = 0; row < 8; ++row) {
      if (lane < keys && c * 8 + row < columns) {
        destination[(c * 8 + row) * Dk + lane] = static_cast<T>(scratch[row * TILE_STRIDE + lane]);
      }
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// `rows` x `columns` matrices of the state to `destination`, a row a key.
template <int WIDE, typename Destination>
inline void walk_save(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Destination destination,
    int stride,
    int rows,
    int columns) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      if (r < rows && c < columns) {
        metal::simdgroup_store(state[r * WIDE + c], destination + r * 8 * stride + c * 8, stride);
      }
    }
  }
}

// 8 steps of own keys.
struct walk_keys {
  metal::simdgroup_float8x8 a[TILE_BLOCKS];
};

// Own keys of 8 steps; past the `rows` that are there the last stands in, so that no load waits.
template <bool TRANSPOSED, typename Keys>
inline void walk_fetch(thread metal::simdgroup_float8x8 (&a)[TILE_BLOCKS], Keys keys, int stride, int rows) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    const int row = 8 * metal::max(metal::min(r, rows - 1), 0);
    metal::simdgroup_load(a[r], keys + row, stride, metal::ulong2(0, 0), TRANSPOSED);
  }
}

// What the STEPS steps of `keys` read of the state, to `product`; `rows` matrices of keys are there. The next
// steps are on their way while these are multiplied.
template <int WIDE, int STEPS = TILE, typename Keys, typename Product>
inline void walk_read(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Keys keys,
    int stride,
    int rows,
    Product product) {
  walk_keys next;
  walk_fetch<false>(next.a, keys, stride, rows);
  for (int step = 0; step < STEPS; step += 8) {
    walk_keys now = next;
    if (step + 8 < STEPS) {
      walk_fetch<false>(next.a, keys + (step + 8) * stride, stride, rows);
    }
    metal::simdgroup_float8x8 sum[WIDE];
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      sum[c] = metal::simdgroup_float8x8(0.0f);
    }
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      if (r < rows) {
#pragma unroll
        for (int c = 0; c < WIDE; ++c) {
          metal::simdgroup_multiply_accumulate(sum[c], now.a[r], state[r * WIDE + c], sum[c]);
        }
      }
    }
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      metal::simdgroup_store(sum[c], product + step * WALK_STRIDE<WIDE> + c * 8, WALK_STRIDE<WIDE>);
    }
  }
}

// Each key of the state times its decay, of `decays`, or 0 where nothing carries.
template <int WIDE, typename Decays, typename Scratch>
inline void walk_decay(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Decays decays,
    int keys,
    bool carries,
    Scratch scratch,
    int lane) {
  const float decay = lane < keys ? decays[lane] : 0.0f;
  for (int c = 0; c < 8; ++c) {
    scratch[lane * 8 + c] = decay;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    metal::simdgroup_float8x8 weight;
    metal::simdgroup_load(weight, scratch + r * 64, 8);
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      if (carries) {
        state[r * WIDE + c].thread_elements() *= weight.thread_elements();
      } else {
        state[r * WIDE + c] = metal::simdgroup_float8x8(0.0f);
      }
    }
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}

// state += keys^T * values, over STEPS steps; as in walk_read the next steps are on their way.
template <int WIDE, int STEPS = TILE, typename Keys, typename Values>
inline void walk_write(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Keys keys,
    int stride,
    int rows,
    Values values) {
  walk_keys next;
  walk_fetch<true>(next.a, keys, stride, rows);
  for (int step = 0; step < STEPS; step += 8) {
    walk_keys now = next;
    if (step + 8 < STEPS) {
      walk_fetch<true>(next.a, keys + (step + 8) * stride, stride, rows);
    }
    metal::simdgroup_float8x8 b[WIDE];
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      metal::simdgroup_load(b[c], values + step * WALK_STRIDE<WIDE> + c * 8, WALK_STRIDE<WIDE>);
    }
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      if (r < rows) {
#pragma unroll
        for (int c = 0; c < WIDE; ++c) {
          metal::simdgroup_multiply_accumulate(state[r * WIDE + c], now.a[r], b[c], state[r * WIDE + c]);
        }
      }
    }
  }
}
