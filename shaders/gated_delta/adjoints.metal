// gated_delta backward, from the last chunk of 32 steps to the first: d = grad_values + read G is the
// gradient of what a chunk writes, beta[t] (v[t] - S k[t]), where G is the adjoint of the state that leaves
// it. Then grad_v = beta d, and G = decay o G + sum over the chunk of write_q[t] (x) grad_o[t] - write_k[t]
// (x) beta[t] d[t]; grad_values, read and write are as prepare_backward.metal makes them. G starts as
// grad_final_state; it is kept by key here. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns 8 * WIDE values of one head, each of its simdgroups 32 keys of their adjoint.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/walk.h"

using namespace metal;

template <typename TV, typename TB, int Dk, int Dv, int WIDE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void gated_delta_adjoints(
    const device float* read,              // [B, H, CHUNKS, 32, KEYS]
    const device float* write_q,           // [B, H, CHUNKS, 32, KEYS]
    const device float* write_k,           // [B, H, CHUNKS, 32, KEYS]
    const device float* decay,             // [B, H, CHUNKS, KEYS]
    const device float* grad_values,       // [B, L, H, Dv]
    const device TB* beta,                 // [B, L, H]
    const device bool* reset,              // [B, L]
    const device TV* grad_o,               // [B, L, H, Dv]
    const device float* grad_final_state,  // [B, H, Dv, Dk]
    device float* chunk_adjoint,           // [B, H, CHUNKS, KEYS, VALUES]
    device float* grad_update,             // [B, L, H, Dv]
    device TV* grad_v,                     // [B, L, H, Dv]
    device float* grad_initial_state,      // [B, H, Dv, Dk]
    const constant int* grad_o_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  static_assert(Dk * WIDE <= 512, "a threadgroup must not have more than 512 keys of 8 values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr int SIMDGROUPS = (Dk + TILE - 1) / TILE;
  constexpr int PRODUCT = TILE * WALK_STRIDE<WIDE>;
  constexpr int THREADS = SIMDGROUPS * 32;
  constexpr int OWN = (TILE * WIDE * 8 + THREADS - 1) / THREADS;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float outputs[PRODUCT];
  threadgroup float updates[PRODUCT];

  const int L = grad_o_shape[1];
  const int H = grad_o_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const long corner = (state * Dv + value) * Dk + key;
  auto own = products + simdgroup * PRODUCT;

  simdgroup_float8x8 G[TILE_BLOCKS * WIDE];
  walk_begin<WIDE>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, own, lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const long entry = state * chunks + chunk;
    const long rows = entry * TILE * KEYS + key;
    auto saved = chunk_adjoint + (entry * KEYS + key) * VALUES + value;
    walk_save<WIDE>(G, saved, VALUES, (KEYS - key) / 8, (VALUES - value) / 8);
    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    float given[OWN];
    float rates[OWN];
    float grads[OWN];
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int i = n * THREADS + simdgroup * 32 + lane;
      const int column = value + i % (WIDE * 8);
      const long at = (first + i / (WIDE * 8)) * H + head;
      const bool live = i / (WIDE * 8) < steps && column < Dv;
      given[n] = live ? grad_values[at * Dv + column] : 0.0f;
      rates[n] = live ? static_cast<float>(beta[at]) : 0.0f;
      grads[n] = live ? static_cast<float>(grad_o[at * Dv + column]) : 0.0f;
    }
    walk_read<WIDE>(G, read + rows, KEYS, (KEYS - key) / 8, own);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // What is written from the last reset on leaves; from the first on nothing meets the state that enters.
    auto resets = reset + (HAS_RESET ? first : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    const int leaves = last_reset<HAS_RESET>(resets, steps);
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int i = n * THREADS + simdgroup * 32 + lane;
      const int row = i / (WIDE * 8);
      const int column = i % (WIDE * 8);
      const int cell = row * WALK_STRIDE<WIDE> + column;
      const long at = (first + row) * H + head;
      const long to = at * Dv + value + column;
      const bool live = row < steps && value + column < Dv;
      float d = given[n];
      for (int s = 0; live && row >= leaves && s < SIMDGROUPS; ++s) {
        d += products[s * PRODUCT + cell];
      }
      const float grad = rates[n] * d;
      if (live) {
        grad_update[to] = d;
        grad_v[to] = static_cast<TV>(grad);
      }
      if (row < TILE) {
        outputs[cell] = row < end ? grads[n] : 0.0f;
        updates[cell] = row < end ? -grad : 0.0f;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    walk_decay<WIDE>(G, decay + entry * KEYS + key, KEYS - key, end == steps, own, lane);
    walk_write<WIDE>(G, write_q + rows, KEYS, (KEYS - key) / 8, outputs);
    walk_write<WIDE>(G, write_k + rows, KEYS, (KEYS - key) / 8, updates);
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, own, lane);
  }
}
