// gla backward, adjoints of the states between chunks of 32 steps, from the last chunk to the first:
// G[n-1] = decay[n] o G[n] + scale * sum over chunk n of q'[t] (x) grad_o[t], where q'[t] is q[t] times the
// gates up to t, decay[n] the product of the gates of chunk n, and G starts as grad_final_state. q, k are [B,
// L, Hk, Dk], grad_o is [B, L, H, Dv]. Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup keeps 32 keys x 32 values of the adjoint in registers and walks over the chunks. ALONE keeps
// grad_initial_state only.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "state_rows.h"

using namespace metal;

template <
    typename TQ,
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
[[kernel]] void gla_adjoints(
    const device TQ* q,                    // [B, L, Hk, Dk]
    const device TV* grad_o,               // [B, L, H, Dv]
    const device TG* g,                    // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,              // [B, L]
    const device float* scale,             // [1]
    const device float* grad_final_state,  // [B, H, Dk, Dv]
    device TS* chunk_adjoint,              // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8] or [1]
    device float* grad_initial_state,      // [B, H, Dk, Dv]
    const constant int* q_shape,
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

  const int L = q_shape[1];
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
  auto own_weights = weights + (PER_KEY ? 0 : simdgroup * TILE);
  const long corner = (state * Dk + key) * Dv + value;
  if (ALONE && corner == 0 && simdgroup == 0 && lane == 0) {
    chunk_adjoint[0] = static_cast<TS>(0.0f);
  }

  state_rows<PER_KEY, TQ, TV, TG> rows;
  tile_sum G;
  tile_sum rest;
  tile_clear(rest);
  state_read(G, keys, view_of(grad_final_state + corner, Dv, wide), state_place);

  // A chunk's rows are on their way while the chunk after it is multiplied.
  const long last = sequence + (chunks - 1) * TILE;
  auto source = state_source_of(
      view_of(q + (last * Hk + head / (H / Hk)) * Dk + key, Hk * Dk, kept),
      view_of(grad_o + (last * H + head) * Dv + value, H * Dv, wide),
      view_of(g + (last * H + head) * GATES + (PER_KEY ? key : 0), H * GATES, kept),
      reset + (HAS_RESET ? last : 0));
  const long last_state = (state + 1) * chunks - 1;
  auto entry = chunk_adjoint + ((last_state * ROWS + row) * COLUMNS + value / 8) * BLOCK;
  state_fetch<HAS_RESET>(rows, source, L - (chunks - 1) * TILE, simdgroup, lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    carry_decay left;
    // From a reset on nothing depends on the state that enters the chunk.
    const int steps = min(TILE, L - chunk * TILE);
    const int end = first_reset<HAS_RESET>(source.reset, steps);
    const tile_place place = {0, end, simdgroup, lane};
    state_weigh<true, HAS_RESET>(rows, left, gates, own_weights, scale[0], place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    state_keep(rows, keys, values, place);
    if (PER_KEY) {
      state_keep_decay(decays, left, simdgroup, lane);
    }
    state_advance<HAS_RESET>(source, -TILE);
    if (chunk > 0) {
      state_fetch<HAS_RESET>(rows, source, TILE, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // The product of the chunk after is ready by now.
    tile_settle(G, rest);
    if (!ALONE) {
      blocks_store<true, WHOLE, TS>(G.at, entry, COLUMNS, ROWS - row, COLUMNS - value / 8);
      entry -= ROWS * COLUMNS * BLOCK;
    }
    state_decay<PER_KEY>(G, rest, decays, left, end == steps, simdgroup);
    tile_product<true, false, float, TV>(rest, keys, values, simdgroup);
  }
  tile_settle(G, rest);
  if (HAS_INITIAL_STATE) {
    state_write(G, keys, view_of(grad_initial_state + corner, Dv, wide), state_place);
  }
}
