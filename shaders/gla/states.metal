// gla forward, states between chunks of 32 steps: S[n+1] = decay[n] o S[n] + sum over chunk n of k'[t] (x)
// v[t], where k'[t] is k[t] times the gates after t, decay[n] the product of the gates of chunk n, and S[0]
// is initial_state or 0. Each S[n] that enters a chunk is kept, but a 0 before other chunks is not. q, k are
// [B, L, Hk, Dk], v is [B, L, H, Dv]. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup keeps 32 keys x 32 values of the state in registers and walks over the chunks. ALONE keeps
// the last state only.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "state_rows.h"

using namespace metal;

template <
    typename TK,
    typename TV,
    typename TG,
    typename TS,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool PER_KEY,
    bool ALONE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gla_states(
    const device TK* k,                 // [B, L, Hk, Dk]
    const device TV* v,                 // [B, L, H, Dv]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device float* initial_state,  // [B, H, Dk, Dv]
    const device bool* reset,           // [B, L]
    device TS* chunk_state,             // [B, H, STATES, KEYS / 8, VALUES / 8, 8, 8] or [1]
    device float* final_state,          // [B, H, Dk, Dv]
    const constant int* k_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int BLOCKS = (Dv + TILE - 1) / TILE;
  threadgroup float keys[TILE_SIZE];
  threadgroup float values[TILE_SIZE];
  threadgroup float gates[PER_KEY ? TILE_SIZE : 1];
  threadgroup float decays[PER_KEY ? 2 * TILE * ROW_STRIDE : 1];
  threadgroup float weights[PER_KEY ? 1 : TILE_SIMDGROUPS * TILE];

  const int L = k_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int key = threadgroup_position_in_grid.x / BLOCKS * TILE;
  const int value = threadgroup_position_in_grid.x % BLOCKS * TILE;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int kept = Dk - key;
  const int wide = Dv - value;
  const tile_place state_place = {0, kept, simdgroup, lane};
  const int row = key / 8 + simdgroup * TILE_OWN;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const int unkept = HAS_INITIAL_STATE ? 0 : min(1, chunks - 1);
  auto own_weights = weights + (PER_KEY ? 0 : simdgroup * TILE);
  const long corner = (state * Dk + key) * Dv + value;
  if (ALONE && corner == 0 && simdgroup == 0 && lane == 0) {
    chunk_state[0] = static_cast<TS>(0.0f);
  }

  state_rows<PER_KEY, TK, TV, TG> rows;
  tile_sum S;
  tile_sum rest;
  tile_clear(rest);
  tile_clear(S);
  if (HAS_INITIAL_STATE) {
    state_read(S, keys, view_of(initial_state + corner, Dv, wide), state_place);
  }

  // A chunk's rows are on their way while the chunk before it is multiplied.
  auto source = state_source_of(
      view_of(k + (sequence * Hk + head / (H / Hk)) * Dk + key, Hk * Dk, kept),
      view_of(v + (sequence * H + head) * Dv + value, H * Dv, wide),
      view_of(g + (sequence * H + head) * GATES + (PER_KEY ? key : 0), H * GATES, kept),
      reset + (HAS_RESET ? sequence : 0));
  auto entry = chunk_state + ((state * (chunks - unkept) * ROWS + row) * COLUMNS + value / 8) * BLOCK;
  state_fetch<HAS_RESET>(rows, source, min(TILE, L), simdgroup, lane);

  for (int chunk = 0; chunk < chunks; ++chunk) {
    carry_decay left;
    // What comes before a reset does not reach the end of the chunk.
    const int steps = min(TILE, L - chunk * TILE);
    const bool carries = first_reset<HAS_RESET>(source.reset, steps) == steps;
    const tile_place place = {last_reset<HAS_RESET>(source.reset, steps), steps, simdgroup, lane};
    state_weigh<false, HAS_RESET>(rows, left, gates, own_weights, 1.0f, place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    state_keep(rows, keys, values, place);
    if (PER_KEY) {
      state_keep_decay(decays, left, simdgroup, lane);
    }
    state_advance<HAS_RESET>(source, TILE);
    if (chunk + 1 < chunks) {
      state_fetch<HAS_RESET>(rows, source, min(TILE, L - (chunk + 1) * TILE), simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // The product of the chunk before is ready by now. A 0 that is not kept gives way to the state after it.
    tile_settle(S, rest);
    if (!ALONE) {
      blocks_store<true, WHOLE, TS>(S.at, entry, COLUMNS, ROWS - row, COLUMNS - value / 8);
      entry += chunk < unkept ? 0 : ROWS * COLUMNS * BLOCK;
    }
    state_decay<PER_KEY>(S, rest, decays, left, carries, simdgroup);
    tile_product<true, false, float, TV>(rest, keys, values, simdgroup);
  }
  tile_settle(S, rest);
  state_write(S, keys, view_of(final_state + corner, Dv, wide), state_place);
}
