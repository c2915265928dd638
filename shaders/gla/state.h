// 32 keys x 32 values of a state that two simdgroups keep in registers, from chunk to chunk: how it fades,
// and where the rows and gates of a chunk are.
#pragma once

#include <metal_stdlib>

#include "../common/carry.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/uniform.h"

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
  } else if (!PER_KEY && decay.base != 0.0f) {
    tile_mix(rest, state, decay.change);
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

// Where a chunk's rows begin in device memory; `steps` further on after state_advance.
template <typename Keys, typename Values, typename Gates, typename Reset>
struct state_source {
  rows_view<Keys> keys;
  rows_view<Values> values;
  rows_view<Gates> gates;
  Reset reset;
};

template <typename Keys, typename Values, typename Gates, typename Reset>
METAL_FUNC state_source<Keys, Values, Gates, Reset> state_source_of(
    rows_view<Keys> keys, rows_view<Values> values, rows_view<Gates> gates, Reset reset) {
  return state_source<Keys, Values, Gates, Reset>{keys, values, gates, reset};
}

template <bool RESETS, typename Source>
METAL_FUNC void state_advance(thread Source& source, int steps) {
  source.keys.at += steps * source.keys.stride;
  source.values.at += steps * source.values.stride;
  source.gates.at += steps * source.gates.stride;
  source.reset += RESETS ? steps : 0;
}

// Of one gate a step: what a chunk leaves of a state, in `left`, and the product of the gates behind step
// `lane` or, BACK, of those up to it.
template <bool BACK, bool RESETS>
METAL_FUNC float state_gates(thread carry_decay& left, float gate, int lane) {
  const float product = BACK ? products_upto<RESETS>(gate, lane) : products_from<RESETS>(gate, lane);
  const float next = metal::simd_shuffle_down(product, static_cast<ushort>(1));
  gates_decay(left, gate, uniform_broadcast(product, BACK ? TILE - 1 : 0));
  return BACK ? product : lane + 1 < TILE ? next : 1.0f;
}
