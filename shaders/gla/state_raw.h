// Rows of chunks with one gate a step on their way to a state, rows of 16 bits as they come, and what they
// make of 32 keys x 32 values of it, which a simdgroup keeps with a row a value.
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/carry.h"
#include "../common/raw_tile.h"
#include "../common/tile.h"
#include "../common/walk.h"

// A threadgroup's simdgroups, and their share of a chunk's rows.
constexpr constant int CHUNK_OWNERS = 4;
constexpr constant int CHUNK_ROWS = TILE / CHUNK_OWNERS;

// Blocks of keys for the first 16 values, then for the others.
using own_state = walk_state<2, 2 * TILE_BLOCKS>;

METAL_FUNC void state_clear(thread own_state& state) {
  walk_clear<2, 2 * TILE_BLOCKS>(state);
}

// Where the rows of a sequence are, and its chunks' gates as gates.metal has them.
template <typename Keys, typename Values, typename Gates>
struct chunk_source {
  rows_view<Keys> keys;
  rows_view<Values> values;
  Gates gates;
  int L;
};

template <typename Keys, typename Values, typename Gates>
METAL_FUNC chunk_source<Keys, Values, Gates> chunk_source_of(
    rows_view<Keys> keys, rows_view<Values> values, Gates gates, int L) {
  return chunk_source<Keys, Values, Gates>{keys, values, gates, L};
}

// What a thread has of a chunk: rows, the weights of its keys, and what the chunk leaves of a state.
template <typename TK, typename TV>
struct chunk_rows {
  raw_rows<TK, CHUNK_ROWS, 2> keys;
  raw_rows<TV, CHUNK_ROWS, 2> values;
  float weights[CHUNK_ROWS];
  float whole;
  float less;
};

// The number of steps in a chunk; 0 for a chunk outside the sequence.
METAL_FUNC int chunk_steps(int L, int chunk) {
  return chunk < 0 ? 0 : metal::clamp(L - chunk * TILE, 0, TILE);
}

// Weights are what a chunk's gates leave of a step at its end or, BACK, at a step of its start.
template <bool BACK, typename TK, typename TV, typename Source>
METAL_FUNC void chunk_fetch(
    thread chunk_rows<TK, TV>& fetched, Source source, int chunk, int simdgroup, int lane) {
  const int steps = chunk_steps(source.L, chunk);
  const int there = steps > 0 ? chunk : 0;
  const tile_place place = {0, steps, simdgroup, lane};
  auto gates = source.gates + there * 4 * TILE;
  raw_fetch(fetched.keys, rows_from(source.keys, there * TILE), place);
  raw_fetch(fetched.values, rows_from(source.values, there * TILE), place);
#pragma clang loop unroll(full)
  for (int i = 0; i < CHUNK_ROWS; ++i) {
    fetched.weights[i] = gates[(BACK ? 1 : 2) * TILE + raw_row<CHUNK_ROWS, 2>(i, simdgroup, lane)];
  }
  fetched.whole = steps > 0 ? gates[2 * TILE - 1] : 1.0f;
  fetched.less = steps > 0 ? gates[3 * TILE] : 0.0f;
}

// Converts two neighbours to floats: a bfloat is the upper half of a float.
METAL_FUNC metal::float2 bfloats_as_floats(uint pair) {
  return metal::float2(as_type<float>(pair << 16), as_type<float>(pair & 0xffff0000u));
}

// The keys times their weights and `factor` to two tiles each, whose sum is precise enough for a state of
// floats. With RESETS steps outside of [place.begin, place.end) count as 0.
template <bool RESETS, typename TK, typename TV, typename Tile>
METAL_FUNC void chunk_keep_keys(
    Tile high, Tile low, thread chunk_rows<TK, TV>& chunk, float factor, tile_place place) {
  auto own_high = tile_at(high, place.lane / 16) + raw_column<1>(place.lane);
  auto own_low = tile_at(low, place.lane / 16) + raw_column<1>(place.lane);
#pragma clang loop unroll(full)
  for (int i = 0; i < CHUNK_ROWS; ++i) {
    const int row = raw_row<CHUNK_ROWS, 2>(i, place.simdgroup, place.lane);
    const bool counts = !RESETS || (row >= place.begin && row < place.end);
    const uint pair = counts ? chunk.keys.at[i] : 0;
    const float weight = counts ? factor * chunk.weights[i] : 0.0f;
    const metal::float2 x = weight * bfloats_as_floats(pair);
    const uint upper = as_type<uint>(metal::vec<TK, 2>(x));
    const uint lower = as_type<uint>(metal::vec<TK, 2>(x - bfloats_as_floats(upper)));
    raw_put<TK>(own_high + row * RAW_STRIDE, upper);
    raw_put<TK>(own_low + row * RAW_STRIDE, lower);
  }
}

// A state in device memory has a row of `wide` values for each key. Where block row r of a simdgroup begins:
template <typename Rows>
METAL_FUNC Rows state_row(Rows rows, int r, int wide) {
  return rows + r % TILE_BLOCKS * 8 * wide + r / TILE_BLOCKS * 16;
}

template <typename Source>
METAL_FUNC void state_load(thread own_state& state, Source source, int wide) {
#pragma clang loop unroll(full)
  for (int r = 0; r < 2 * TILE_BLOCKS; ++r) {
    auto row = state_row(source, r, wide);
    metal::simdgroup_load(state.at[r][0], row, wide, metal::ulong2(0, 0), true);
    metal::simdgroup_load(state.at[r][1], row + 8, wide, metal::ulong2(0, 0), true);
  }
}

template <typename Destination>
METAL_FUNC void state_store(thread own_state& state, Destination destination, int wide) {
#pragma clang loop unroll(full)
  for (int r = 0; r < 2 * TILE_BLOCKS; ++r) {
    auto row = state_row(destination, r, wide);
    metal::simdgroup_store(state.at[r][0], row, wide, metal::ulong2(0, 0), true);
    metal::simdgroup_store(state.at[r][1], row + 8, wide, metal::ulong2(0, 0), true);
  }
}

// Stores a state to blocks of T, `wide` of them in a row for 8 keys.
template <typename T, typename Blocks>
METAL_FUNC void state_store_blocks(thread own_state& state, Blocks blocks, int wide) {
#pragma clang loop unroll(full)
  for (int r = 0; r < 2 * TILE_BLOCKS; ++r) {
    const int first = r % TILE_BLOCKS * wide + r / TILE_BLOCKS * 2;
    block_store<false, T>(state.at[r][0], blocks, first);
    block_store<false, T>(state.at[r][1], blocks, first + 1);
  }
}

// The state times a chunk's decay, or 0 where nothing carries.
METAL_FUNC void state_fade(
    thread own_state& state, thread own_state& rest, thread const carry_decay& decay, bool carries) {
  const bool stays = carries && decay.base != 0.0f;
  const float change = carries ? decay.change : 0.0f;
  if (!carries) {
    state_clear(state);
  }
  if (!stays) {
    state_clear(rest);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < 2 * TILE_BLOCKS; ++r) {
    rest.at[r][0].thread_elements() += change * state.at[r][0].thread_elements();
    rest.at[r][1].thread_elements() += change * state.at[r][1].thread_elements();
  }
  if (!stays) {
    state_clear(state);
  }
}

// rest += values^T * weighted keys, of the own tile of each.
template <typename TK, typename TV, typename Keys, typename Values>
METAL_FUNC void state_product(thread own_state& rest, Keys high, Keys low, Values values) {
#pragma clang loop unroll(full)
  for (int inner = 0; inner < TILE_BLOCKS; inner += 2) {
    metal::simdgroup_matrix<TV, 8, 8> left[2][2][2];
#pragma clang loop unroll(full)
    for (int v = 0; v < 2; ++v) {
      tile_left<true>(left[v][0], values, v * 2, inner);
      tile_left<true>(left[v][1], values, v * 2, inner + 1);
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_BLOCKS; r += 2) {
      metal::simdgroup_matrix<TK, 8, 8> lower[2][2];
      metal::simdgroup_matrix<TK, 8, 8> upper[2][2];
      tile_square<false>(lower, low, inner, r);
      tile_square<false>(upper, high, inner, r);
#pragma clang loop unroll(full)
      for (int v = 0; v < 2; ++v) {
        const int own = v * TILE_BLOCKS + r;
        multiply_2x2x2<TV, TK>(rest.at[own], rest.at[own + 1], left[v][0], left[v][1], lower);
        multiply_2x2x2<TV, TK>(rest.at[own], rest.at[own + 1], left[v][0], left[v][1], upper);
      }
    }
  }
}
