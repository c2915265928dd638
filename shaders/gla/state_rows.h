// A chunk's rows on their way to a state through tiles of floats, a chunk at a time, keys times their
// weights.
#pragma once

#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/tile.h"
#include "state.h"

// What a thread fetches of a chunk, a chunk ahead of its use, and what of that goes to the tiles.
template <bool PER_KEY, typename TK, typename TV, typename TG>
struct state_rows {
  TK keys[TILE_ROWS];
  TV values[TILE_ROWS];
  gates_part<PER_KEY, TG> gates;
  float own_keys[TILE_ROWS];
  float own_values[TILE_ROWS];
};

template <bool RESETS, bool PER_KEY, typename TK, typename TV, typename TG, typename Source>
METAL_FUNC void state_fetch(
    thread state_rows<PER_KEY, TK, TV, TG>& rows, Source source, int steps, int simdgroup, int lane) {
  const tile_place place = {0, steps, simdgroup, lane};
  gates_fetch<PER_KEY, RESETS, TG>(rows.gates, source.gates, source.reset, place.end, place);
  tile_fetch<TK>(rows.keys, source.keys, place);
  tile_fetch<TV>(rows.values, source.values, place);
}

// What a chunk leaves of a state, in `left`, and its keys times their weights. Only steps of `place` count.
template <
    bool BACK,
    bool RESETS,
    bool PER_KEY,
    typename TK,
    typename TV,
    typename TG,
    typename Gates,
    typename Weights>
METAL_FUNC void state_weigh(
    thread state_rows<PER_KEY, TK, TV, TG>& rows,
    thread carry_decay& left,
    Gates gates,
    Weights weights,
    float factor,
    tile_place place) {
  rows_read<RESETS, TK>(rows.own_keys, rows.keys, place.begin, place.end, place.simdgroup);
  rows_read<RESETS, TV>(rows.own_values, rows.values, place.begin, place.end, place.simdgroup);
  if (PER_KEY) {
    gates_keep<PER_KEY, TG>(gates, rows.gates, place.simdgroup, place.lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    gates_column_decay<RESETS>(left, gates, place.lane);
  } else {
    weights[place.lane] = state_gates<BACK, RESETS>(left, static_cast<float>(rows.gates.at[0]), place.lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
  rows_decay<PER_KEY, !BACK, RESETS, float>(
      rows.own_keys, rows.own_keys, factor, gates, weights, place.simdgroup, place.lane);
}

// Keys and values to their tiles.
template <bool PER_KEY, typename TK, typename TV, typename TG, typename Tile>
METAL_FUNC void state_keep(
    thread state_rows<PER_KEY, TK, TV, TG>& rows, Tile keys, Tile values, tile_place place) {
  tile_keep(values, rows.own_values, 1.0f, place.simdgroup, place.lane);
  tile_keep(keys, rows.own_keys, 1.0f, place.simdgroup, place.lane);
}

// The own rows of a state from device memory and to it, through a tile.
template <typename Tile, typename Source>
METAL_FUNC void state_read(thread tile_sum& state, Tile tile, Source source, tile_place place) {
  tile_load<float>(tile, source, 1.0f, place);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_get(state, tile, place.simdgroup);
}

template <typename Tile, typename Destination>
METAL_FUNC void state_write(thread tile_sum& state, Tile tile, Destination destination, tile_place place) {
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_put(state, tile, place.simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_store<float>(tile, destination, place);
}
