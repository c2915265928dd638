// 32 keys x 32 values of a state that two simdgroups keep in registers, from chunk to chunk.
#pragma once

#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/tile.h"

// Each key times its decay, which `decays` has 8 times and is `decay` if it is all keys', or 0 where nothing
// carries.
template <bool PER_KEY, typename Decays>
METAL_FUNC void state_decay(thread tile_sum& state, Decays decays, float decay, bool carries, int simdgroup) {
  if (!carries) {
    tile_clear(state);
  } else if (PER_KEY) {
    tile_scale<false>(state, decays, simdgroup);
  } else {
    tile_times(state, decay);
  }
}

// What a thread fetches of a chunk, a chunk ahead of its use.
template <bool PER_KEY, typename TK, typename TV, typename TG>
struct state_rows {
  TK keys[TILE_ROWS];
  TV values[TILE_ROWS];
  gates_part<PER_KEY, TG> gates;
};

// The rows of `steps` steps, of which `kept` keys and `wide` values are there.
template <
    bool PER_KEY,
    bool RESETS,
    typename TK,
    typename TV,
    typename TG,
    typename Keys,
    typename Values,
    typename Gates,
    typename Reset>
METAL_FUNC void state_fetch(
    thread state_rows<PER_KEY, TK, TV, TG>& rows,
    Keys keys,
    int key_stride,
    int kept,
    Values values,
    int value_stride,
    int wide,
    Gates gates,
    int gate_stride,
    Reset resets,
    int steps,
    int simdgroup,
    int lane) {
  gates_fetch<PER_KEY, RESETS, TG>(
      rows.gates, gates, gate_stride, kept, resets, 0, steps, steps, simdgroup, lane);
  tile_fetch<TK>(rows.keys, keys, key_stride, kept, 0, steps, simdgroup, lane);
  tile_fetch<TV>(rows.values, values, value_stride, wide, 0, steps, simdgroup, lane);
}
