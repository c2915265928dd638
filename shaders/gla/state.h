// 32 keys x 32 values of a state that two simdgroups keep in registers, from chunk to chunk.
#pragma once

#include <metal_stdlib>

#include "../common/carry.h"
#include "../common/gates.h"
#include "../common/tile.h"

// Each key's decay to where state_decay finds it, its base and its change 8 times each.
template <typename Decays>
METAL_FUNC void state_keep_decay(Decays decays, thread const carry_decay& decay, int simdgroup, int lane) {
  for (int c = simdgroup; c < 8; c += TILE_SIMDGROUPS) {
    decays[lane * ROW_STRIDE + c] = decay.base;
    decays[(TILE + lane) * ROW_STRIDE + c] = decay.change;
  }
}

// Each key times its decay, which is `decay` if it is all keys', or 0 where nothing carries.
template <bool PER_KEY, typename Decays>
METAL_FUNC void state_decay(
    thread tile_sum& state,
    thread tile_sum& rest,
    Decays decays,
    thread const carry_decay& decay,
    bool carries,
    int simdgroup) {
  if (!carries) {
    tile_clear(state);
    tile_clear(rest);
  } else {
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_OWN; ++r) {
      metal::simdgroup_float8x8 base;
      metal::simdgroup_float8x8 change;
      if (PER_KEY) {
        const int row = (simdgroup * TILE_OWN + r) * 8;
        metal::simdgroup_load(base, decays + row * ROW_STRIDE, ROW_STRIDE);
        metal::simdgroup_load(change, decays + (TILE + row) * ROW_STRIDE, ROW_STRIDE);
      }
#pragma clang loop unroll(full)
      for (int c = 0; c < TILE_BLOCKS; ++c) {
        if (PER_KEY) {
          carry_fade(state.at[r][c], rest.at[r][c], base.thread_elements(), change.thread_elements());
        } else {
          carry_fade(state.at[r][c], rest.at[r][c], decay.base, decay.change);
        }
      }
    }
  }
}

// What a thread fetches of a chunk, a chunk ahead of its use.
template <bool PER_KEY, typename TK, typename TV, typename TG>
struct state_rows {
  TK keys[TILE_ROWS];
  TV values[TILE_ROWS];
  gates_part<PER_KEY, TG> gates;
};

// The rows of the steps [0, place.end).
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
    Values values,
    Gates gates,
    Reset resets,
    tile_place place) {
  gates_fetch<PER_KEY, RESETS, TG>(rows.gates, gates, resets, place.end, place);
  tile_fetch<TK>(rows.keys, keys, place);
  tile_fetch<TV>(rows.values, values, place);
}
