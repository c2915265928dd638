// gated_delta forward, what a chunk of 32 steps needs of itself, so that the walk over chunks is two
// products a chunk. The errors e[t] = v[t] - S k[t] of a chunk satisfy (I + M diag(beta)) e = v - k' S, where
// M[i][j] = sum over keys of k[i] k[j] g[j+1] ... g[i] for j < i, k' is k times the gates up to its step and
// S the state that enters. With N = -(I + M diag(beta))^-1 M, hence (I + M diag(beta))^-1 = I + N diag(beta),
// this makes N, read = (I + N diag(beta)) k' and values = (I + N diag(beta)) v: e = values - read S, further
// write and rates, whose product is beta k times the gates after its step, and decay, the product of the
// gates of the chunk. One gate a step: write is k, rates have the gates; one a step and key: write has them.
// N serves backward: (I + diag(beta) M)^-1 is I + diag(beta) N, so nothing is divided by beta. q, k are [B,
// L, Hk, Dk], v is [B, L, H, Dv]. Yang et al. 2024, arXiv:2406.06484, section 3.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"
#include "../common/unit_lower.h"

using namespace metal;

template <
    typename TK,
    typename TV,
    typename TG,
    typename TB,
    typename TW,
    int Dk,
    int Dv,
    int H,
    int Hk,
    bool PER_KEY,
    bool HAS_RESET>
[[kernel]] void gated_delta_prepare(
    const device TK* k,        // [B, L, Hk, Dk]
    const device TV* v,        // [B, L, H, Dv]
    const device TG* g,        // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,     // [B, L, H]
    const device bool* reset,  // [B, L]
    device float* inverse,     // [B, H, CHUNKS, 32, 32]
    device float* read,        // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device TW* write,          // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    device float* rates,       // [B, L, H]
    device float* decay,       // [B, H, CHUNKS, KEYS]
    device float* values,      // [B, L, H, Dv]
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[PER_KEY ? TILE * TILE_STRIDE : TILE];
  threadgroup float meeting[PER_KEY ? TILE * TILE_STRIDE : 1];
  threadgroup float masks[PER_KEY ? 3 * 64 : 1];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float betas[TILE];

  const int L = v_shape[1];
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
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto gate_row = g + row * GATES;
  auto resets = reset + (HAS_RESET ? first : 0);

  if (PER_KEY) {
    masks_fill<false>(masks, simdgroup, lane);
  }
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const int stop = end == steps ? TILE : end;
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool leaves = end == steps;

    tile_sum sum;
    simdgroup_float8x8 diagonal[TILE_OWN];
    tile_clear(diagonal);
    float same = 0.0f;
    tile_clear(sum);
    if (!PER_KEY) {
      gates_load<false, HAS_RESET>(gates, gate_row, H, 1, resets, begin, end, steps, simdgroup, lane);
    }
    if (simdgroup == 0) {
      betas[lane] =
          lane >= begin && lane < end ? static_cast<float>(beta[row + static_cast<long>(lane) * H]) : 0.0f;
    }
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load<TK>(left, k_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      if (PER_KEY) {
        gates_load<true, HAS_RESET>(
            gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (PER_KEY) {
        scores_add<HAS_RESET>(sum, diagonal, same, left, left, gates, meeting, masks, simdgroup, lane);
      } else {
        scores_product<TK, TK>(sum, left, left, simdgroup);
      }
    }
    tile_put(sum, weights, simdgroup);
    if (PER_KEY) {
      scores_put_diagonal(diagonal, weights, simdgroup);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (!PER_KEY) {
      scores_decay<HAS_RESET>(weights, gates, 1.0f, simdgroup, lane);
      gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 1 && lane >= begin && lane < end) {
      rates[row + static_cast<long>(lane) * H] = PER_KEY ? betas[lane] : betas[lane] * behind[lane];
    }
    unit_lower_inverse(weights, left, betas, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    tile_store<float>(left, inverse + tile * TILE * TILE, TILE, TILE, begin, stop, simdgroup, lane);
    unit_lower_scale<false>(left, weights, betas, simdgroup, lane);

    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (PER_KEY) {
        gates_load<true, HAS_RESET>(
            gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      TK rows[TILE_ROWS];
      float kept[TILE_ROWS];
      const long to = tile * TILE * KEYS + key / 8 * BLOCK;
      const int columns = (KEYS - key) / 8;
      tile_fetch<TK>(rows, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      if (PER_KEY) {
        rows_decay<PER_KEY, true, HAS_RESET, TK>(kept, rows, 1.0f, gates, behind, simdgroup, lane);
      } else {
        rows_read<false, TK>(kept, rows, begin, end, simdgroup);
      }
      rows_if(kept, leaves);
      tile_keep(left, kept, 1.0f, simdgroup, lane);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store_blocks<true, WHOLE, TW>(left, write + to, KEYS / 8, columns, begin, stop, simdgroup, lane);
      rows_decay<PER_KEY, false, HAS_RESET, TK>(kept, rows, 1.0f, gates, upto, simdgroup, lane);
      rows_if(kept, meets_state);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_keep(left, kept, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_clear(sum);
      tile_product_lower<false>(sum, weights, left, simdgroup);
      if (HAS_RESET) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_put(sum, left, simdgroup);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_store_blocks<false, WHOLE>(left, read + to, KEYS / 8, columns, begin, stop, simdgroup, lane);
      } else {
        tile_put_blocks<WHOLE>(sum, read + to, KEYS / 8, columns, simdgroup);
      }
      const float product = PER_KEY ? gates_product<HAS_RESET>(gates, 0, TILE, lane) : upto[TILE - 1];
      if (leaves && simdgroup == 0 && lane < KEYS - key) {
        decay[tile * KEYS + key + lane] = product;
      }
    }
    for (int value = 0; value < Dv; value += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load<TV>(left, v + row * Dv + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_clear(sum);
      tile_product_lower<false, TV>(sum, weights, left, simdgroup);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, left, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<float>(left, values + row * Dv + value, H * Dv, Dv - value, begin, end, simdgroup, lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    begin = end;
  } while (HAS_RESET && begin < steps);
}
