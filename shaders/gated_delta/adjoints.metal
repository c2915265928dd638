// gated_delta backward, from the last chunk of 32 steps to the first: d = grad_values + read G is the
// gradient of what a chunk writes, beta[t] (v[t] - S k[t]), where G is the adjoint of the state that leaves
// it. Then grad_v = beta d, and G = decay o G + sum over the chunk of write_q[t] (x) grad_o[t] - write_k[t]
// (x) beta[t] d[t]; grad_values, read and write are as prepare_backward.metal makes them. G starts as
// grad_final_state; it is kept by key here. Yang et al. 2024, arXiv:2412.06464, section 3.3.
//
// A threadgroup owns 8 * WIDE values of one head, each of its simdgroups 8 * TALL keys of their adjoint.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/tile.h"
#include "../common/walk.h"

using namespace metal;

template <
    typename TV,
    typename TB,
    int Dk,
    int Dv,
    int H,
    int WIDE,
    int TALL,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gated_delta_adjoints(
    const device float* read,              // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* write_q,           // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* write_k,           // [B, H, CHUNKS, 4, KEYS / 8, 8, 8]
    const device float* decay,             // [B, H, CHUNKS, KEYS]
    const device float* grad_values,       // [B, L, H, Dv]
    const device TB* beta,                 // [B, L, H]
    const device bool* reset,              // [B, L]
    const device TV* grad_o,               // [B, L, H, Dv]
    const device float* grad_final_state,  // [B, H, Dv, Dk]
    device float* chunk_adjoint,           // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device float* grad_update,             // [B, L, H, Dv]
    device TV* grad_v,                     // [B, L, H, Dv]
    device float* grad_initial_state,      // [B, H, Dv, Dk]
    const constant int* grad_o_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int PRODUCT = TILE * WALK_STRIDE<WIDE>;
  static_assert((SIMDGROUPS + 2) * PRODUCT * 4 <= 32768, "a threadgroup must not have more than 32 KiB");
  constexpr int THREADS = SIMDGROUPS * 32;
  constexpr int STEP = THREADS / (WIDE * 8);
  constexpr int OWN = (TILE + STEP - 1) / STEP;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float outputs[PRODUCT];
  threadgroup float updates[PRODUCT];

  const int L = grad_o_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const long corner = (state * Dv + value) * Dk + key;
  auto own = products + simdgroup * PRODUCT;

  walk_state<WIDE, TALL> G;
  walk_begin<WIDE, TALL>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, own, lane);

  // A chunk's numbers are on their way while the chunk after it is worked on.
  const int owned = (KEYS - key) / 8;
  const int own_row = (simdgroup * 32 + lane) / (WIDE * 8);
  const int column = lane % (WIDE * 8);
  const bool live = value + column < Dv;
  const long last = sequence + (chunks - 1) * TILE;
  const long last_keys = (state * chunks + chunks - 1) * TILE * KEYS + key / 8 * BLOCK;
  auto key_read = read + last_keys;
  auto key_write_q = write_q + last_keys;
  auto key_write_k = write_k + last_keys;
  const long begins = (last + own_row) * H + head;
  const int along = live ? column : 0;
  auto chunk_grads = grad_values + begins * Dv + value + along;
  auto chunk_updates = grad_update + begins * Dv + value + along;
  auto chunk_written = grad_v + begins * Dv + value + along;
  auto chunk_outputs = grad_o + begins * Dv + value + along;
  auto chunk_rates = beta + begins;
  walk_chunk<TALL> reads;
  walk_chunk<TALL> writes_q;
  walk_chunk<TALL> writes_k;
  float given[OWN];
  TB rates[OWN];
  TV grads[OWN];
  walk_fetch<TALL, WHOLE_KEYS>(reads, key_read, KEYS / 8, owned);
  walk_fetch<TALL, WHOLE_KEYS>(writes_q, key_write_q, KEYS / 8, owned);
  walk_fetch<TALL, WHOLE_KEYS>(writes_k, key_write_k, KEYS / 8, owned);
  const int rest = L - (chunks - 1) * TILE;
  walk_cells<STEP, OWN, float>(given, chunk_grads, H * Dv, own_row, live ? rest : 0);
  walk_cells<STEP, OWN, TB>(rates, chunk_rates, H, own_row, rest);
  walk_cells<STEP, OWN, TV>(grads, chunk_outputs, H * Dv, own_row, live ? rest : 0);

  const bool fades = lane < KEYS - key;
  auto key_decay = decay + (state * chunks + chunks - 1) * KEYS + key + (fades ? lane : 0);
  float fading = fades ? *key_decay : 0.0f;

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const bool more = chunk > 0;
    const long entry = state * chunks + chunk;
    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    auto saved = chunk_adjoint + ((entry * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    walk_save<WIDE, TALL, WHOLE>(G, saved, VALUES / 8, owned, (VALUES - value) / 8);
    walk_read<WIDE, TALL>(G, reads, own);
    key_read -= TILE * KEYS;
    if (more) {
      walk_fetch<TALL, WHOLE_KEYS>(reads, key_read, KEYS / 8, owned);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // What is written from the last reset on leaves; from the first on nothing meets the state that enters.
    auto resets = reset + (HAS_RESET ? first : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    const int leaves = last_reset<HAS_RESET>(resets, steps);
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int row = own_row + n * STEP;
      const int cell = min(row, TILE - 1) * WALK_STRIDE<WIDE> + column;
      float known = 0.0f;
#pragma unroll
      for (int s = 0; s < SIMDGROUPS; ++s) {
        known += products[s * PRODUCT + cell];
      }
      const float d = row >= leaves ? given[n] + known : given[n];
      const float grad = static_cast<float>(rates[n]) * d;
      if (live && row < steps) {
        chunk_updates[n * STEP * H * Dv] = d;
        chunk_written[n * STEP * H * Dv] = static_cast<TV>(grad);
      }
      if (OWN * STEP == TILE || row < TILE) {
        outputs[cell] = row < end ? static_cast<float>(grads[n]) : 0.0f;
        updates[cell] = row < end ? -grad : 0.0f;
      }
    }
    chunk_grads -= TILE * H * Dv;
    chunk_updates -= TILE * H * Dv;
    chunk_written -= TILE * H * Dv;
    chunk_rates -= TILE * H;
    chunk_outputs -= TILE * H * Dv;
    if (more) {
      walk_cells<STEP, OWN, float>(given, chunk_grads, H * Dv, own_row, live ? TILE : 0);
      walk_cells<STEP, OWN, TB>(rates, chunk_rates, H, own_row, TILE);
      walk_cells<STEP, OWN, TV>(grads, chunk_outputs, H * Dv, own_row, live ? TILE : 0);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    walk_decay<WIDE, TALL>(G, fading, end == steps, own, lane);
    key_decay -= KEYS;
    if (more) {
      fading = fades ? *key_decay : 0.0f;
    }
    walk_write<WIDE, TALL, TILE / 8, TV>(G, writes_q.steps, outputs);
    walk_write<WIDE, TALL, TILE / 8>(G, writes_k.steps, updates);
    key_write_q -= TILE * KEYS;
    key_write_k -= TILE * KEYS;
    if (more) {
      walk_fetch<TALL, WHOLE_KEYS>(writes_q, key_write_q, KEYS / 8, owned);
      walk_fetch<TALL, WHOLE_KEYS>(writes_k, key_write_k, KEYS / 8, owned);
    }
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE, TALL>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, own, lane);
  }
}
