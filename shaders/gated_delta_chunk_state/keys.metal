// gated_delta_chunk_state backward, for each chunk of 64 steps: with S the state before it, G the adjoint of
// the state after it, e = v_new and d the gradient of u,
//   grad_w = -d S, grad_k = x = (e o exp(g_last - g)) G for every head, grad_g = -x . k,
// and the gradient of g_last also has the sum of all x . k and exp(g_last) <S, G>. Yang et al. 2024,
// arXiv:2412.06464, section 3.3.
//
// A threadgroup owns a chunk of one head, and each of its simdgroups 8 of every 32 steps.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/tile.h"
#include "../common/uniform.h"
#include "steps.h"

using namespace metal;

template <typename TK, typename TW, int Dk, int Dv>
[[kernel]] void gated_delta_chunk_state_keys(
    const device TK* k,                 // [B, L, Hk, Dk]
    const device float* g,              // [B, L, H]
    const device float* chunk_state,    // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* error,          // [B, L, H, Dv]
    const device float* grad_update,    // [B, L, H, Dv]
    device float* grad_k_head,          // [B, L, Hk, H // Hk, Dk]
    device TW* grad_w,                  // [B, L, H, Dk]
    device float* grad_g,               // [B, L, H]
    const constant int* k_shape,
    const constant int* error_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0 && VALUES % TILE == 0;
  threadgroup float errors[TILE * TILE_STRIDE];
  threadgroup float updates[TILE * TILE_STRIDE];
  threadgroup float weights[CHUNK];
  threadgroup float grads[CHUNK];
  threadgroup float partial[TILE_SIMDGROUPS];

  const int L = error_shape[1];
  const int Hk = k_shape[2];
  const int H = error_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + CHUNK - 1) / CHUNK;
  const int steps = min(CHUNK, L - chunk * CHUNK);
  const long first = static_cast<long>(batch) * L + chunk * CHUNK;
  const long at = ((static_cast<long>(batch) * H + head) * chunks + chunk) * KEYS * VALUES;
  auto state = chunk_state + at;
  auto adjoint = chunk_adjoint + at;
  auto gates = g + first * H + head;
  steps_weights(weights, gates, H, steps, simdgroup, lane);

  float inner = 0.0f;
  for (int i = simdgroup * 32 + lane; i < KEYS * VALUES; i += TILE_SIMDGROUPS * 32) {
    inner = fma(state[i], adjoint[i], inner);
  }
  inner = uniform_sum(inner);
  if (lane == 0) {
    partial[simdgroup] = inner;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  // A simdgroup loads, multiplies and stores only the rows of tiles that it owns.
  for (int part = 0; part < CHUNK; part += TILE) {
    const int present = steps - part;
    const tile_place place = {0, present, simdgroup, lane};
    const long row = (first + part) * H + head;
    auto k_row = k + ((first + part) * Hk + head / (H / Hk)) * Dk;
    float grad[TILE_ROWS] = {};
    for (int key = 0; key < Dk; key += TILE) {
      tile_sum written;
      tile_sum read;
      tile_clear(written);
      tile_clear(read);
      for (int value = 0; value < Dv; value += TILE) {
        const int corner = (key / 8 * (VALUES / 8) + value / 8) * BLOCK;
        const int columns = (VALUES - value) / 8;
        const int rows = (KEYS - key) / 8;
        const long values = row * Dv + value;
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_load<float>(errors, view_of(error + values, H * Dv, Dv - value), 1.0f, place);
        tile_load<float>(updates, view_of(grad_update + values, H * Dv, Dv - value), -1.0f, place);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<true, WHOLE>(
            written, errors, blocks_of(adjoint + corner, VALUES / 8, rows, columns), simdgroup);
        tile_product_state<true, WHOLE>(
            read, updates, blocks_of(state + corner, VALUES / 8, rows, columns), simdgroup);
      }
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(written, errors, simdgroup);
      tile_put(read, updates, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<TW>(updates, view_of(grad_w + row * Dk + key, H * Dk, Dk - key), place);
#pragma clang loop unroll(full)
      for (int i = 0; i < TILE_ROWS; ++i) {
        const int step = simdgroup * TILE_ROWS + i;
        if (step < present && lane < Dk - key) {
          const float x = weights[part + step] * errors[step * TILE_STRIDE + lane];
          grad_k_head[(row + static_cast<long>(step) * H) * Dk + key + lane] = x;
          grad[i] = fma(x, static_cast<float>(k_row[step * Hk * Dk + key + lane]), grad[i]);
        }
      }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_ROWS; ++i) {
      const float total = uniform_sum(grad[i]);
      if (lane == 0) {
        grads[part + simdgroup * TILE_ROWS + i] = total;
      }
    }
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  if (simdgroup == 0) {
    const float written = uniform_sum(grads[lane] + grads[TILE + lane]);
    const float entered = partial[0] + partial[1];
    const float last = fma(metal::precise::exp(gates[(steps - 1) * H]), entered, written);
    for (int step = lane; step < steps; step += 32) {
      grad_g[(first + step) * H + head] = (step == steps - 1 ? last : 0.0f) - grads[step];
    }
  }
}
