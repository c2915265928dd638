// gla, one gate a step, beside rows of 16 bits: states between chunks of 32 steps. With P, E and the decays
// of gates.metal:
//   (1) S[n+1] = decay[n] S[n] + sum over chunk n of E[t] k[t] (x) v[t], S[0] = initial_state or 0
// and REVERSE their adjoints, from the last chunk to the first:
//   (2) G[n-1] = decay[n] G[n] + scale * sum over chunk n of P[t] q[t] (x) grad_o[t], from grad_final_state
//   on
// keys are k or q, values v or grad_o. Each state that enters a chunk (REVERSE: leaves it) is kept, but a 0
// before other chunks is not. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns 64 keys x 64 values, a simdgroup 32 x 32, and walks over the chunks, two at a time. LONG
// takes two for one chunk. ALONE keeps the last state only.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "state_raw.h"

using namespace metal;

constexpr constant int STAGED = 2;

template <
    typename TK,
    typename TV,
    typename TS,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool REVERSE,
    bool LONG,
    bool ALONE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gla_states_raw(
    const device TK* keys,              // [B, L, Hk, Dk]
    const device TV* values,            // [B, L, H, Dv]
    const device float* gates,          // [B, H, CHUNKS, 4, 32]
    const device float* initial_state,  // [B, H, Dk, Dv]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    device TS* chunk_state,             // [B, H, PAIR_STATES, KEYS / 8, VALUES / 8, 8, 8] or
                                        // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or
                                        // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8] or [1]
    device float* final_state,          // [B, H, Dk, Dv]
    const constant int* keys_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int COLUMNS = Dv / 8;
  constexpr int SIZE = Dk * Dv;
  constexpr int SIDES = Dv / 64;
  constexpr bool STARTS = HAS_INITIAL_STATE || REVERSE;
  threadgroup TK high[STAGED * 2 * RAW_SIZE];
  threadgroup TK low[STAGED * 2 * RAW_SIZE];
  threadgroup TV tiles[STAGED * 2 * RAW_SIZE];

  const int L = keys_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int key = threadgroup_position_in_grid.x / SIDES * 64;
  const int value = threadgroup_position_in_grid.x % SIDES * 64;
  const int key_side = simdgroup / 2;
  const int value_side = simdgroup % 2;
  const int own_key = key + key_side * TILE;
  const int own_value = value + value_side * TILE;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const long sequence = batch * L;
  const long state = batch * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const int kept = LONG ? (chunks + 1) / 2 : chunks;
  const int unkept = STARTS ? 0 : min(1, kept - 1);
  const float factor = REVERSE ? scale[0] : 1.0f;
  auto resets = reset + (HAS_RESET ? sequence : 0);
  auto source = chunk_source_of(
      view_of(keys + (sequence * Hk + head / (H / Hk)) * Dk + key, Hk * Dk, 64),
      view_of(values + (sequence * H + head) * Dv + value, H * Dv, 64),
      gates + state * chunks * 4 * TILE,
      L);
  const long corner = state * SIZE + own_key * Dv + own_value;
  if (ALONE && corner == 0 && lane == 0) {
    chunk_state[0] = static_cast<TS>(0.0f);
  }

  own_state S;
  own_state rest;
  state_clear(S);
  state_clear(rest);
  if (STARTS) {
    state_load(S, initial_state + corner, Dv);
  }

  // The rows of the next chunks are on their way while these are multiplied.
  auto entry = chunk_state + (state * (kept - unkept) + (REVERSE ? kept - 1 : 0)) * SIZE +
               (own_key / 8 * COLUMNS + own_value / 8) * BLOCK;
  chunk_rows<TK, TV> fetched[STAGED];
#pragma clang loop unroll(full)
  for (int part = 0; part < STAGED; ++part) {
    chunk_fetch<REVERSE>(fetched[part], source, REVERSE ? chunks - 1 - part : part, simdgroup, lane);
  }

  for (int step = 0; step < chunks; step += STAGED) {
    bool carries[STAGED];
    carry_decay left[STAGED];
    tile_place place[STAGED];
    float weight[STAGED];
#pragma clang loop unroll(full)
    for (int part = 0; part < STAGED; ++part) {
      // What comes before a reset (REVERSE: after it) does not reach the end.
      const int chunk = REVERSE ? chunks - 1 - step - part : step + part;
      const int steps = chunk_steps(L, chunk);
      auto own_resets = resets + (HAS_RESET ? chunk * TILE : 0);
      const int cut = first_reset<HAS_RESET>(own_resets, steps);
      place[part] = tile_place{
          REVERSE ? 0 : last_reset<HAS_RESET>(own_resets, steps), REVERSE ? cut : steps, simdgroup, lane};
      carries[part] = cut == steps;
      weight[part] = factor;
      carry_decay_from(left[part], fetched[part].whole, fetched[part].less);
    }
    if (LONG) {
      const float whole = fetched[1].whole;
      const float less = fetched[1].less;
      weight[0] *= whole;
      place[0].end = carries[1] ? place[0].end : place[0].begin;
      carries[0] = carries[0] && carries[1];
      carry_decay_from(left[0], fetched[0].whole * whole, fma(fetched[0].less, whole, less));
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int part = 0; part < STAGED; ++part) {
      chunk_keep_keys<HAS_RESET>(
          tile_at(high, part * 2), tile_at(low, part * 2), fetched[part], weight[part], place[part]);
      raw_keep<HAS_RESET>(tile_at(tiles, part * 2), fetched[part].values, place[part]);
    }
    if (step + STAGED < chunks) {
#pragma clang loop unroll(full)
      for (int part = 0; part < STAGED; ++part) {
        const int ahead = step + STAGED + part;
        chunk_fetch<REVERSE>(fetched[part], source, REVERSE ? chunks - 1 - ahead : ahead, simdgroup, lane);
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

#pragma clang loop unroll(full)
    for (int part = 0; part < STAGED; ++part) {
      if (step + part < chunks) {
        if (part == 0 || !LONG) {
          // (1) and (2): the product before is ready by now. The next state overwrites a 0 that is not kept.
          walk_settle<2, 2 * TILE_BLOCKS>(S, rest);
          if (!ALONE) {
            state_store_blocks<TS>(S, entry, COLUMNS);
            entry += (REVERSE ? -1 : step + part < unkept ? 0 : 1) * SIZE;
          }
          state_fade(S, rest, left[part], carries[part]);
        }
        const int own = part * 2 + key_side;
        state_product<TK, TV>(
            rest, tile_at(high, own), tile_at(low, own), tile_at(tiles, part * 2 + value_side));
      }
    }
  }
  walk_settle<2, 2 * TILE_BLOCKS>(S, rest);
  if (!REVERSE || HAS_INITIAL_STATE) {
    state_store(S, final_state + corner, Dv);
  }
}
