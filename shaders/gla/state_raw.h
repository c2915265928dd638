// Rows of two chunks with one gate a step on their way to a state as they come, through raw tiles: one of 32
// keys and two of 32 values side by side for each chunk. Two simdgroups keep the state of the one 32 values,
// two that of the other. Each of the first two sees to the gates of a chunk.
#pragma once

#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/raw_tile.h"
#include "../common/tile.h"
#include "state.h"

constexpr constant int STATE_CHUNKS = 2;
constexpr constant int STATE_SIDES = 2;
// The rows that a simdgroup fetches.
constexpr constant int STATE_ROWS = TILE_ROWS / STATE_SIDES;

// What a thread fetches, two chunks ahead of its use: the gates of the chunk with the simdgroup's number.
template <typename T, typename TG>
struct state_raw {
  raw_rows<T, STATE_ROWS, 1> keys[STATE_CHUNKS];
  raw_rows<T, STATE_ROWS, STATE_SIDES> values[STATE_CHUNKS];
  gates_part<false, TG> gates;
  float weight;
  carry_decay left;
};

template <bool BACK, bool RESETS, typename T, typename TG, typename Source>
METAL_FUNC void state_fetch(
    thread state_raw<T, TG>& rows, Source source, int L, int chunk, int simdgroup, int lane) {
  const int own = simdgroup % STATE_CHUNKS;
  const int behind = (BACK ? -own : own) * TILE;
  const tile_place own_place = {0, state_steps<BACK>(L, chunk, own), simdgroup, lane};
  rows.gates.at[0] = static_cast<TG>(1.0f);
  if (simdgroup < STATE_CHUNKS) {
    auto gates = view_of(source.gates.at + behind * source.gates.stride, source.gates.stride, 1);
    gates_fetch<false, RESETS, TG>(
        rows.gates, gates, source.reset + (RESETS ? behind : 0), own_place.end, own_place);
  }
#pragma clang loop unroll(full)
  for (int part = 0; part < STATE_CHUNKS; ++part) {
    const int ahead = (BACK ? -part : part) * TILE;
    const tile_place place = {0, state_steps<BACK>(L, chunk, part), simdgroup, lane};
    raw_fetch(
        rows.keys[part],
        view_of(source.keys.at + ahead * source.keys.stride, source.keys.stride, TILE),
        place);
    raw_fetch(
        rows.values[part],
        view_of(source.values.at + ahead * source.values.stride, source.values.stride, TILE),
        place);
  }
}

// The weights of the keys of a simdgroup's chunk, which state_product multiplies them by, and what that
// leaves: once for both chunks, by all simdgroups, so that lanes may exchange numbers.
template <bool BACK, bool RESETS, typename T, typename TG, typename Gates, typename Weights>
METAL_FUNC void state_weigh(
    thread state_raw<T, TG>& rows,
    thread carry_decay&,
    Gates,
    Weights,
    float factor,
    int part,
    tile_place place) {
  if (part == 0) {
    const float gate = static_cast<float>(rows.gates.at[0]);
    rows.weight = factor * state_gates<BACK, RESETS>(rows.left, gate, place.lane);
  }
}

template <typename T, typename TG, typename Notes>
METAL_FUNC void state_left(thread state_raw<T, TG>&, thread carry_decay& left, Notes notes, int part) {
  left.base = notes[2 * part];
  left.change = notes[2 * part + 1];
}

// With RESETS steps outside of [place.begin, place.end) count as 0.
template <bool RESETS, typename T, typename TG, typename Tile, typename Weights, typename Notes>
METAL_FUNC void state_keep(
    thread state_raw<T, TG>& rows,
    Tile keys,
    Tile values,
    Weights weights,
    Notes notes,
    int part,
    tile_place place) {
  raw_keep<RESETS>(tile_at(values, part * STATE_SIDES), rows.values[part], place);
  raw_keep<RESETS>(tile_at(keys, part), rows.keys[part], place);
  if (place.simdgroup == part) {
    weights[part * TILE + place.lane] = rows.weight;
    if (place.lane == 0) {
      notes[2 * part] = rows.left.base;
      notes[2 * part + 1] = rows.left.change;
    }
  }
}

// A weighted key is the sum of two numbers of T, which is precise enough for a state of floats.
template <typename T, typename TG, typename Tile, typename Weights>
METAL_FUNC void state_product(
    thread tile_sum& rest,
    thread state_raw<T, TG>&,
    Tile keys,
    Tile values,
    Weights weights,
    int part,
    int simdgroup) {
  auto own_values = tile_at(values, part * STATE_SIDES + simdgroup / TILE_SIMDGROUPS);
#pragma clang loop unroll(full)
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_matrix<T, 8, 8> high[TILE_OWN];
    metal::simdgroup_matrix<T, 8, 8> low[TILE_OWN];
    metal::simdgroup_matrix<T, 8, 8> right[TILE_BLOCKS];
    metal::simdgroup_float8x8 weight;
    tile_own<true>(high, tile_at(keys, part), simdgroup % TILE_SIMDGROUPS, inner);
    tile_right<false>(right, own_values, inner, 0);
    metal::simdgroup_load(weight, weights + part * TILE + inner * 8, 0);
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_OWN; ++r) {
      metal::simdgroup_float8x8 key = matrix_as<float>(high[r]);
      key.thread_elements() *= weight.thread_elements();
      high[r] = matrix_as<T>(key);
      metal::simdgroup_float8x8 rounded = matrix_as<float>(high[r]);
      key.thread_elements() -= rounded.thread_elements();
      low[r] = matrix_as<T>(key);
    }
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; c += 2) {
      tile_multiply<T, T>(rest, low, right[c], right[c + 1], c);
      tile_multiply<T, T>(rest, high, right[c], right[c + 1], c);
    }
  }
}

template <typename T, typename TG, typename Tile, typename Source>
METAL_FUNC void state_read(
    thread tile_sum& state, thread state_raw<T, TG>&, Tile, Source source, tile_place place) {
  auto own = source.at + place.simdgroup * TILE_ROWS * source.stride;
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_load(state.at[r][c], own + r * 8 * source.stride + c * 8, source.stride);
    }
  }
}

template <typename T, typename TG, typename Tile, typename Destination>
METAL_FUNC void state_write(
    thread tile_sum& state, thread state_raw<T, TG>&, Tile, Destination destination, tile_place place) {
  auto own = destination.at + place.simdgroup * TILE_ROWS * destination.stride;
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_store(state.at[r][c], own + r * 8 * destination.stride + c * 8, destination.stride);
    }
  }
}
