// gated_delta_chunk_state forward, from chunk to chunk of 64 steps: h_out = S, the state before the chunk,
// v_new = u - w S^T, and S = exp(g_last) S + (v_new o exp(g_last - g))^T k. g is the log of the decay since
// the start of the chunk, and g_last its last value in the chunk. S starts as h0 or 0; chunk_state has it
// transposed, a row a key. H / Hk heads share a head of k. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns 8 * WIDE values of one head, and each of its simdgroups 32 keys of the state.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/tile.h"
#include "../common/walk.h"
#include "steps.h"

using namespace metal;

template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void gated_delta_chunk_state_forward(
    const device TK* k,         // [B, L, Hk, Dk]
    const device TW* w,         // [B, L, H, Dk]
    const device TU* u,         // [B, L, H, Dv]
    const device float* g,      // [B, L, H]
    const device float* h0,     // [B, H, Dv, Dk]
    device TK* h_out,           // [B, cdiv(L, 64), H, Dv, Dk]
    device TU* v_new,           // [B, L, H, Dv]
    device float* final,        // [B, H, Dv, Dk]
    device float* chunk_state,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device float* error,        // [B, L, H, Dv]
    const constant int* k_shape,
    const constant int* u_shape,
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

  const int L = u_shape[1];
  const int Hk = k_shape[2];
  const int H = u_shape[2];
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

  walk_state<WIDE, TILE_BLOCKS> S;
  walk_state<WIDE, TILE_BLOCKS> rest;
  walk_clear<WIDE, TILE_BLOCKS>(rest);
  walk_begin<WIDE, TILE_BLOCKS>(
      S, h0 + (HAS_H0 ? corner : 0), Dk, HAS_H0 ? Dk - key : 0, Dv - value, scratch, lane);

  for (int chunk = 0; chunk < chunks; ++chunk) {
    const long first = sequence + chunk * CHUNK;
    const int steps = min(CHUNK, L - chunk * CHUNK);
    const long entry = state * chunks + chunk;
    auto saved = chunk_state + ((entry * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    auto entering = h_out + ((static_cast<long>(batch) * chunks + chunk) * H + head) * Dv * Dk + cut;
    auto gates = g + first * H + head;
    blocks_store<false, WHOLE>(S.at, saved, VALUES / 8, (KEYS - key) / 8, (VALUES - value) / 8);
    walk_end<WIDE, TILE_BLOCKS, TK>(S, entering, Dk, Dk - key, Dv - value, scratch, lane);
    steps_weights(weights, gates, H, steps, simdgroup, lane);

    for (int piece = 0; piece < steps; piece += PIECE) {
      auto rows = w + ((first + piece) * H + head) * Dk + key;
      steps_read<WIDE>(S, rows, H * Dk, steps - piece, Dk - key, product, scratch, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int i = simdgroup * 32 + lane; i < PIECE * WIDE * 8; i += SIMDGROUPS * 32) {
        const int row = i / (WIDE * 8);
        const int column = i % (WIDE * 8);
        const int cell = row * STEPS_STRIDE<WIDE> + column;
        const long at = ((first + piece + row) * H + head) * Dv + value + column;
        const bool live = piece + row < steps && value + column < Dv;
        float e = live ? static_cast<float>(u[at]) : 0.0f;
        for (int s = 0; s < SIMDGROUPS; ++s) {
          e -= products[s * PRODUCT + cell];
        }
        if (live) {
          v_new[at] = static_cast<TU>(e);
          error[at] = e;
        }
        updates[piece * STEPS_STRIDE<WIDE> + cell] = live ? e * weights[piece + row] : 0.0f;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    auto written = k + (first * Hk + head / (H / Hk)) * Dk + key;
    steps_decay<WIDE>(S, rest, gates[(steps - 1) * H]);
    steps_write<WIDE>(rest, written, Hk * Dk, steps, Dk - key, updates, scratch, lane);
    walk_settle<WIDE, TILE_BLOCKS>(S, rest);
  }
  walk_end<WIDE, TILE_BLOCKS>(S, final + corner, Dk, Dk - key, Dv - value, scratch, lane);
}
