// gated_delta backward, what a chunk of 32 steps needs of itself before the walk back over chunks: mixes,
// W[i][j] = scale * sum over keys of q[i] k[j] g[j+1] ... g[i] for j <= i, each block on its side. A step
// reads the adjoint of the state that leaves as keys times after, and of that which enters it writes keys and
// queries times upto. One gate a step: keys and queries are k and q as they are, and the two have the gates
// after a step and up to it. One gate a step and key: keys and queries have them; of keys there are two
// KINDS, the former with the gates up to a step, the latter with those after it. q, k are [B, L, Hk, Dk].
// Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0, and so do upto where the entering state does not reach and after where nothing leaves.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TG,
    typename TWQ,
    typename TWK,
    int Dk,
    int H,
    int Hk,
    bool PER_KEY,
    bool HAS_RESET>
[[kernel]] void gated_delta_prepare_backward(
    const device TQ* q,         // [B, L, Hk, Dk]
    const device TK* k,         // [B, L, Hk, Dk]
    const device TG* g,         // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,   // [B, L]
    const device float* scale,  // [1]
    device float* mixes,        // [B, H, CHUNKS, 4, 4, 8, 8]
    device TWQ* queries,        // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device TWK* keys,           // [B, H, CHUNKS, KINDS, 4, KEYS / 8, 8, 8]
    device float* upto,         // [B, L, H]
    device float* after,        // [B, L, H]
    const constant int* k_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int KINDS = PER_KEY ? 2 : 1;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[PER_KEY ? TILE * TILE_STRIDE : TILE];
  threadgroup float meeting[PER_KEY ? TILE * TILE_STRIDE : 1];
  threadgroup float masks[PER_KEY ? 3 * 64 : 1];
  threadgroup float before[TILE];
  threadgroup float behind[TILE];

  const int L = k_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long tile = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto chunk_queries = queries + tile * TILE * KEYS;
  auto chunk_keys = keys + tile * KINDS * TILE * KEYS;
  auto gate_row = g + row * GATES;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  if (PER_KEY) {
    masks_fill<false>(masks, simdgroup, lane);
  }
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const int stop = end == steps ? TILE : end;
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    tile_sum sum;
    simdgroup_float8x8 diagonal[TILE_OWN];
    tile_clear(diagonal);
    float same = 0.0f;
    tile_clear(sum);
    // One gate a step: they are on their way while the first keys are fetched.
    gates_part<false, TG> own_gates;
    if (!PER_KEY) {
      gates_fetch<false, HAS_RESET, TG>(
          own_gates, gate_row, H, 1, resets, begin, end, steps, simdgroup, lane);
    }
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TQ, TK>(
          left,
          q_row + key,
          PER_KEY ? factor : 1.0f,
          right,
          k_row + key,
          Hk * Dk,
          Dk - key,
          begin,
          end,
          simdgroup,
          lane);
      if (!PER_KEY && key == 0) {
        gates_keep<false, TG>(gates, own_gates, simdgroup, lane);
      }
      if (PER_KEY) {
        gates_load<HAS_RESET>(
            gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (PER_KEY) {
        scores_add<HAS_RESET>(sum, diagonal, same, left, right, gates, meeting, masks, simdgroup, lane);
      } else {
        scores_product<TQ, TK>(sum, left, right, simdgroup);
        const int at = key / 8 * BLOCK;
        const int columns = (KEYS - key) / 8;
        tile_store_blocks<false, WHOLE, TWQ>(
            left, chunk_queries + at, KEYS / 8, columns, begin, stop, simdgroup, lane);
        tile_store_blocks<false, WHOLE, TWK>(
            right, chunk_keys + at, KEYS / 8, columns, begin, stop, simdgroup, lane);
      }
    }
    tile_put(sum, weights, simdgroup);
    if (PER_KEY) {
      scores_put_diagonal(diagonal, weights, simdgroup);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (!PER_KEY) {
      scores_decay<HAS_RESET>(weights, gates, factor, simdgroup, lane);
      gates_products<HAS_RESET>(gates, before, behind, simdgroup, lane);
    } else if (lane / TILE_ROWS == simdgroup) {
      weights[lane * (TILE_STRIDE + 1)] = same;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 1 && lane >= begin && lane < end) {
      const long at = row + static_cast<long>(lane) * H;
      upto[at] = !meets_state ? 0.0f : PER_KEY ? 1.0f : before[lane];
      after[at] = !meets_adjoint ? 0.0f : PER_KEY ? 1.0f : behind[lane];
    }
    if (HAS_RESET) {
      tile_within(weights, begin, end, simdgroup, lane);
    }
    tile_store_blocks<true, true>(
        weights, mixes + tile * TILE * TILE, TILE_BLOCKS, TILE_BLOCKS, begin, stop, simdgroup, lane);

    for (int key = 0; PER_KEY && key < KEYS; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      gates_load<HAS_RESET>(
          gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      TQ q_rows[TILE_ROWS];
      TK rows[TILE_ROWS];
      float kept[TILE_ROWS];
      auto to = chunk_keys + key / 8 * BLOCK;
      const int columns = (KEYS - key) / 8;
      tile_fetch<TQ>(q_rows, q_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      tile_fetch<TK>(rows, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      rows_decay<true, false, HAS_RESET, TQ>(kept, q_rows, 1.0f, gates, before, simdgroup, lane);
      rows_if(kept, meets_state);
      tile_keep(left, kept, 1.0f, simdgroup, lane);
      rows_decay<true, false, HAS_RESET, TK>(kept, rows, 1.0f, gates, before, simdgroup, lane);
      rows_if(kept, meets_state);
      tile_keep(right, kept, 1.0f, simdgroup, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store_blocks<false, WHOLE, TWQ>(
          left, chunk_queries + key / 8 * BLOCK, KEYS / 8, columns, begin, stop, simdgroup, lane);
      tile_store_blocks<false, WHOLE, TWK>(right, to, KEYS / 8, columns, begin, stop, simdgroup, lane);
      rows_decay<true, true, HAS_RESET, TK>(kept, rows, 1.0f, gates, behind, simdgroup, lane);
      rows_if(kept, meets_adjoint);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_keep(left, kept, 1.0f, simdgroup, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store_blocks<false, WHOLE, TWK>(
          left, to + TILE * KEYS, KEYS / 8, columns, begin, stop, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
