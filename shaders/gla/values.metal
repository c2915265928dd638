// gla, what is mixed over time, a chunk of 32 steps at a time, with W[i][j] = scale * sum over keys of
// q[i] k[j] g[j+1] ... g[i] for j <= i. Forward: o[i] = sum over j of W[i][j] v[j] + scale * q'[i] . S, where
// S entered the chunk and q' is q times the gates up to i. REVERSE: grad_v[j] = sum over i of W[i][j]
// grad_o[i]
// + k'[j] . S, where S is the adjoint of the state that leaves and k' is k times the gates after j.
// Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A threadgroup owns a chunk of one head. A chunk is cut at its resets; what lies outside a piece counts as
// 0.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TO,
    int Dk,
    int Dv,
    bool PER_KEY,
    bool REVERSE,
    bool HAS_RESET>
[[kernel]] void gla_values(
    const device TQ* q,               // [B, L, Hk, Dk]
    const device TK* k,               // [B, L, Hk, Dk]
    const device TV* values,          // [B, L, H, Dv]
    const device TG* g,               // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,         // [B, L]
    const device float* scale,        // [1]
    const device float* chunk_state,  // [B, H, CHUNKS, KEYS, VALUES]
    device TO* mixed,                 // [B, L, H, Dv]
    const constant int* k_shape,
    const constant int* values_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float gates[PER_KEY ? TILE * TILE_STRIDE : TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float meeting[PER_KEY ? TILE * TILE_STRIDE : 1];
  threadgroup float masks[PER_KEY ? 3 * 64 : 1];

  const int L = values_shape[1];
  const int Hk = k_shape[2];
  const int H = values_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto value_row = values + row * Dv;
  auto out_row = mixed + row * Dv;
  auto gate_row = g + row * GATES;
  auto resets = reset + (HAS_RESET ? first : 0);
  auto state = chunk_state + ((static_cast<long>(batch) * H + head) * chunks + chunk) * ROWS * COLUMNS * 64;
  const float factor = scale[0];

  if (PER_KEY) {
    masks_fill<false>(masks, simdgroup, lane);
  }
  int begin = 0;
  while (begin < steps) {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = REVERSE ? end == steps : begin == 0 && !(HAS_RESET && resets[0]);

    simdgroup_float8x8 sum[TILE_BLOCKS];
    simdgroup_float8x8 diagonal(0.0f);
    float same = 0.0f;
    tile_clear(sum);
    if (!PER_KEY) {
      gates_load<false, HAS_RESET>(gates, gate_row, H, 1, resets, begin, end, steps, simdgroup, lane);
    }
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load(left, q_row + key, Hk * Dk, Dk - key, begin, end, factor, simdgroup, lane);
      tile_load(right, k_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      if (PER_KEY) {
        gates_load<true, HAS_RESET>(
            gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (PER_KEY) {
        scores_add<HAS_RESET>(sum, diagonal, same, left, right, gates, meeting, masks, simdgroup, lane);
      } else {
        scores_product(sum, left, right, simdgroup);
      }
    }
    tile_put(sum, weights, simdgroup);
    if (PER_KEY) {
      simdgroup_store(diagonal, weights + simdgroup * 8 * (TILE_STRIDE + 1), TILE_STRIDE);
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    if (!PER_KEY) {
      scores_decay<HAS_RESET>(weights, gates, simdgroup, lane);
      gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    } else if (lane / 8 == simdgroup) {
      weights[lane * (TILE_STRIDE + 1)] = same;
    }

    for (int value = 0; value < Dv; value += TILE) {
      tile_clear(sum);
      for (int key = 0; meets_state && key < Dk; key += TILE) {
        if (PER_KEY) {
          threadgroup_barrier(mem_flags::mem_threadgroup);
          gates_load<true, HAS_RESET>(
              gates, gate_row + key, H * Dk, Dk - key, resets, begin, end, steps, simdgroup, lane);
          threadgroup_barrier(mem_flags::mem_threadgroup);
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
        if (REVERSE) {
          tile_load_decayed<PER_KEY, true, HAS_RESET>(
              left, k_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, gates, behind, simdgroup, lane);
        } else {
          tile_load_decayed<PER_KEY, false, HAS_RESET>(
              left, q_row + key, Hk * Dk, Dk - key, begin, end, factor, gates, upto, simdgroup, lane);
        }
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<false>(
            sum,
            left,
            state + key * COLUMNS * 8 + value,
            COLUMNS * 8,
            ROWS - key / 8,
            COLUMNS - value / 8,
            simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load(right, value_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (REVERSE) {
        tile_product<true, false>(sum, weights, right, simdgroup, simdgroup, TILE_BLOCKS);
      } else {
        tile_product<false, false>(sum, weights, right, simdgroup, 0, simdgroup + 1);
      }
      tile_put(sum, left, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<TO>(left, out_row + value, H * Dv, Dv - value, begin, end, simdgroup, lane);
    }
    begin = end;
  }
}
