// gated_delta_chunk_state backward, from the last chunk of 64 steps to the first: with G the adjoint of the
// state after a chunk, d = grad_v_new + exp(g_last - g) o (k G^T) is the gradient of u, and the adjoint of
// the state before the chunk is grad_h_out + exp(g_last) G - d^T w. G starts as grad_final; chunk_adjoint has
// it transposed, a row a key. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns 8 * WIDE values of one head, and each of its simdgroups 32 keys of the adjoint.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/tile.h"
#include "../common/walk.h"
#include "steps.h"

using namespace metal;

template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void gated_delta_chunk_state_adjoints(
    const device TK* k,              // [B, L, Hk, Dk]
    const device TW* w,              // [B, L, H, Dk]
    const device float* g,           // [B, L, H]
    const device TK* grad_h_out,     // [B, cdiv(L, 64), H, Dv, Dk]
    const device TU* grad_v_new,     // [B, L, H, Dv]
    const device float* grad_final,  // [B, H, Dv, Dk]
    device float* chunk_adjoint,     // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device float* grad_update,       // [B, L, H, Dv]
    device TU* grad_u,               // [B, L, H, Dv]
    device float* grad_h0,           // [B, H, Dv, Dk]
    const constant int* k_shape,
    const constant int* g_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  static_assert(Dk * WIDE <= 512, "a threadgroup must not have more than 512 keys of 8 values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0 && VALUES % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TILE - 1) / TILE;
  constexpr int PRODUCT = PIECE * STEPS_STRIDE<WIDE>;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float updates[CHUNK * STEPS_STRIDE<WIDE>];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[CHUNK];

  const int L = g_shape[1];
  const int Hk = k_shape[2];
  const int H = g_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + CHUNK - 1) / CHUNK;
  const long cut = static_cast<long>(value) * Dk + key;
  const long corner = state * Dv * Dk + cut;
  auto product = products + simdgroup * PRODUCT;
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;

  walk_state<WIDE, TILE_BLOCKS> G;
  walk_state<WIDE, TILE_BLOCKS> rest;
  walk_clear<WIDE, TILE_BLOCKS>(rest);
  walk_begin<WIDE, TILE_BLOCKS>(G, grad_final + corner, Dk, Dk - key, Dv - value, scratch, lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const long first = sequence + chunk * CHUNK;
    const int steps = min(CHUNK, L - chunk * CHUNK);
    const long entry = state * chunks + chunk;
    auto saved = chunk_adjoint + ((entry * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    auto entering = grad_h_out + ((static_cast<long>(batch) * chunks + chunk) * H + head) * Dv * Dk + cut;
    auto gates = g + first * H + head;
    blocks_store<false, WHOLE>(G.at, saved, VALUES / 8, (KEYS - key) / 8, (VALUES - value) / 8);
    steps_weights(weights, gates, H, steps, simdgroup, lane);

    for (int piece = 0; piece < steps; piece += PIECE) {
      auto rows = k + ((first + piece) * Hk + head / (H / Hk)) * Dk + key;
      steps_read<WIDE>(G, rows, Hk * Dk, steps - piece, Dk - key, product, scratch, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int i = simdgroup * 32 + lane; i < PIECE * WIDE * 8; i += SIMDGROUPS * 32) {
        const int row = i / (WIDE * 8);
        const int column = i % (WIDE * 8);
        const int cell = row * STEPS_STRIDE<WIDE> + column;
        const long at = ((first + piece + row) * H + head) * Dv + value + column;
        const bool live = piece + row < steps && value + column < Dv;
        float sum = 0.0f;
        for (int s = 0; s < SIMDGROUPS; ++s) {
          sum += products[s * PRODUCT + cell];
        }
        const float d = live ? fma(weights[piece + row], sum, static_cast<float>(grad_v_new[at])) : 0.0f;
        if (live) {
          grad_update[at] = d;
          grad_u[at] = static_cast<TU>(d);
        }
        updates[piece * STEPS_STRIDE<WIDE> + cell] = -d;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    steps_decay<WIDE>(G, rest, gates[(steps - 1) * H]);
    steps_write<WIDE>(
        rest, w + (first * H + head) * Dk + key, H * Dk, steps, Dk - key, updates, scratch, lane);
    walk_add<WIDE, TILE_BLOCKS>(rest, entering, Dk, Dk - key, Dv - value, scratch, lane);
    walk_settle<WIDE, TILE_BLOCKS>(G, rest);
  }
  if (HAS_H0) {
    walk_end<WIDE, TILE_BLOCKS>(G, grad_h0 + corner, Dk, Dk - key, Dv - value, scratch, lane);
  }
}
