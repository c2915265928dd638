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
  constexpr bool WHOLE_KEYS = KEYS % TILE == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
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

  walk_state<WIDE> G;
  walk_begin<WIDE>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, own, lane);

  // A chunk's numbers are on their way while the chunk after it is worked on.
  const int owned = (KEYS - key) / 8;
  const int own_thread = simdgroup * 32 + lane;
  const int wide = Dv - value;
  const long last = sequence + (chunks - 1) * TILE;
  const long last_keys = (state * chunks + chunks - 1) * TILE * KEYS + key;
  auto key_read = read + last_keys;
  auto key_write_q = write_q + last_keys;
  auto key_write_k = write_k + last_keys;
  auto chunk_grads = grad_values + (last * H + head) * Dv + value;
  auto chunk_rates = beta + last * H + head;
  auto chunk_outputs = grad_o + (last * H + head) * Dv + value;
  walk_chunk reads;
  walk_chunk writes_q;
  walk_chunk writes_k;
  float given[OWN];
  TB rates[OWN];
  TV grads[OWN];
  walk_fetch<true, WHOLE_KEYS>(reads, key_read, KEYS, owned);
  walk_fetch<false, WHOLE_KEYS>(writes_q, key_write_q, KEYS, owned);
  walk_fetch<false, WHOLE_KEYS>(writes_k, key_write_k, KEYS, owned);
  const int rest = L - (chunks - 1) * TILE;
  walk_cells<WIDE, THREADS, OWN, float>(given, chunk_grads, H * Dv, 1, rest, wide, own_thread);
  walk_cells<WIDE, THREADS, OWN, TB>(rates, chunk_rates, H, 0, rest, wide, own_thread);
  walk_cells<WIDE, THREADS, OWN, TV>(grads, chunk_outputs, H * Dv, 1, rest, wide, own_thread);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const bool more = chunk > 0;
    const long entry = state * chunks + chunk;
    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    const float fading = lane < KEYS - key ? decay[entry * KEYS + key + lane] : 0.0f;
    auto saved = chunk_adjoint + (entry * KEYS + key) * VALUES + value;
    walk_save<WIDE, WHOLE>(G, saved, VALUES, owned, (VALUES - value) / 8);
    walk_read<WIDE>(G, reads, own);
    key_read -= TILE * KEYS;
    if (more) {
      walk_fetch<true, WHOLE_KEYS>(reads, key_read, KEYS, owned);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // What is written from the last reset on leaves; from the first on nothing meets the state that enters.
    auto resets = reset + (HAS_RESET ? first : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    const int leaves = last_reset<HAS_RESET>(resets, steps);
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int i = n * THREADS + own_thread;
      const int row = i / (WIDE * 8);
      const int column = i % (WIDE * 8);
      const int cell = min(row, TILE - 1) * WALK_STRIDE<WIDE> + column;
      const long at = (first + row) * H + head;
      const long to = at * Dv + value + column;
      const bool live = row < steps && value + column < Dv;
      float known = 0.0f;
#pragma unroll
      for (int s = 0; s < SIMDGROUPS; ++s) {
        known += products[s * PRODUCT + cell];
      }
      const float d = row >= leaves ? given[n] + known : given[n];
      const float grad = static_cast<float>(rates[n]) * d;
      if (live) {
        grad_update[to] = d;
        grad_v[to] = static_cast<TV>(grad);
      }
      if (OWN * THREADS == TILE * WIDE * 8 || row < TILE) {
        outputs[cell] = row < end ? static_cast<float>(grads[n]) : 0.0f;
        updates[cell] = row < end ? -grad : 0.0f;
      }
    }
    chunk_grads -= TILE * H * Dv;
    chunk_rates -= TILE * H;
    chunk_outputs -= TILE * H * Dv;
    if (more) {
      walk_cells<WIDE, THREADS, OWN, float>(given, chunk_grads, H * Dv, 1, TILE, wide, own_thread);
      walk_cells<WIDE, THREADS, OWN, TB>(rates, chunk_rates, H, 0, TILE, wide, own_thread);
      walk_cells<WIDE, THREADS, OWN, TV>(grads, chunk_outputs, H * Dv, 1, TILE, wide, own_thread);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    walk_decay<WIDE>(G, fading, end == steps, own, lane);
    walk_write<WIDE, TILE / 8, TV>(G, writes_q.steps, outputs);
    walk_write<WIDE, TILE / 8>(G, writes_k.steps, updates);
    key_write_q -= TILE * KEYS;
    key_write_k -= TILE * KEYS;
    if (more) {
      walk_fetch<false, WHOLE_KEYS>(writes_q, key_write_q, KEYS, owned);
      walk_fetch<false, WHOLE_KEYS>(writes_k, key_write_k, KEYS, owned);
    }
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, own, lane);
  }
}
