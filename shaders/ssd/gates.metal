// ssd with one A a head, backward of the gates: with x[t] = delta[t] A, and grad_x[t] the sum over all pairs
// j < t <= i of what they contribute to the outputs' inner product with grad_y,
//   (1) grad_x[t] = within[t] + sum over j < t of its tile of after[j] + through
//   (2) through = X[tile] - within[first step of the tile]
//   (3) X[tile + 1] = through + sum over the tile of after
//   (4) grad_delta[t] = rate[t] + A grad_x[t], grad_A = sum over t of delta[t] grad_x[t]
// where within[t] sums up the pairs that end in t's tile, after[j] those that begin with j and end in a later
// tile, and X is the sum of all pairs that cross the tile's start: where a span begins, the inner product of
// the state with its adjoint. Resets cut all of them. delta is [B, L, H]. Dao and Gu 2024, arXiv:2405.21060,
// section 6.
//
// A threadgroup owns a span of one head.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/uniform.h"
#include "span.h"

using namespace metal;

template <
    typename Delta,
    typename TypeA,
    int N,
    int Dh,
    int H,
    int SPAN,
    int LEG,
    int A_PARTS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void ssd_gates(
    const device Delta* delta,               // [B, L, H]
    const device TypeA* A,                   // [H, N] or [H]
    const device float* initial_state,       // [B, H, Dh, N]
    const device bool* reset,                // [B, L]
    const device float* leg_state,           // [B, H, LEGS, KEYS, VALUES, 8, 8]
    const device float* span_state,          // [B, H, SPANS, KEYS, VALUES, 8, 8]
    const device float* decay,               // [B, H, SPANS]
    const device float* leg_adjoint,         // [B, H, LEGS, KEYS, VALUES, 8, 8]
    const device float* span_adjoint,        // [B, H, SPANS, KEYS, VALUES, 8, 8]
    const device float* adjoint_decay,       // [B, H, SPANS]
    const device float* grad_initial_state,  // [B, H, Dh, N]
    const device float* rate,                // [VALUE_GROUPS, B, L, H]
    const device float* within,              // [KEY_GROUPS, B, L, H]
    const device float* after,               // [KEY_GROUPS, B, L, H]
    device Delta* grad_delta,                // [B, L, H]
    device float* A_parts,                   // [A_PARTS, cdiv(B * SPANS, A_PARTS), H]
    const constant int* delta_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  constexpr int SIZE = (N + 7) / 8 * ((Dh + 7) / 8) * BLOCK;
  constexpr int KEY_GROUPS = (N + SPAN_VALUES - 1) / SPAN_VALUES;
  constexpr int VALUE_GROUPS = (Dh + SPAN_VALUES - 1) / SPAN_VALUES;
  threadgroup float sums[4];
  const int L = delta_shape[1];
  const long sequences = delta_shape[0];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int span = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int spans = (L + SPAN * TILE - 1) / (SPAN * TILE);
  const float A_head = static_cast<float>(A[head]);
  const int legs = (spans + LEG - 1) / LEG;
  const long sequence = batch * H + head;
  const long state = sequence * spans + span;

  // What crosses the span's start.
  const int thread_at = simdgroup * TILE + lane;
  float product = 0.0f;
  if (span % LEG > 0) {
    auto entering = leg_state + (sequence * legs + span / LEG) * SIZE;
    auto leaving = leg_adjoint + (sequence * legs + span / LEG) * SIZE;
    const float left = precise::exp(decay[state - 1]);
    const float left_behind = precise::exp(adjoint_decay[state]);
    for (int i = thread_at; i < SIZE; i += 4 * TILE) {
      const float h = span_carried(left, entering[i], span_state[(state - 1) * SIZE + i]);
      product += h * span_carried(left_behind, leaving[i], span_adjoint[state * SIZE + i]);
    }
  } else if (span > 0) {
    const long leg = sequence * legs + span / LEG;
    for (int i = thread_at; i < SIZE; i += 4 * TILE) {
      product += leg_state[leg * SIZE + i] * leg_adjoint[(leg - 1) * SIZE + i];
    }
  } else if (HAS_INITIAL_STATE) {
    const long plain = sequence * Dh * N;
    for (int i = thread_at; i < Dh * N; i += 4 * TILE) {
      product += initial_state[plain + i] * grad_initial_state[plain + i];
    }
  }
  product = uniform_sum(product);
  if (lane == 0) {
    sums[simdgroup] = product;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (simdgroup == 0) {
    float crossing = sums[0] + sums[1] + sums[2] + sums[3];
    float grad_A = 0.0f;
    const int tiles = min(SPAN, (L - span * SPAN * TILE + TILE - 1) / TILE);
    for (int step = 0; step < tiles; ++step) {
      const int tile = span * SPAN + step;
      const int steps = min(TILE, L - tile * TILE);
      const long first = batch * L + tile * TILE;
      auto resets = reset + (HAS_RESET ? first : 0);
      const bool carries = first_reset<HAS_RESET>(resets, steps) == steps;
      const bool live = lane < steps;
      const bool starts = HAS_RESET && live && resets[lane];
      const long at = (first + lane) * H + head;
      const long group = sequences * L * H;
      float pairs = 0.0f;
      float later = 0.0f;
      float by_rate = 0.0f;
      for (int n = 0; live && n < KEY_GROUPS; ++n) {
        pairs += within[n * group + at];
        later += after[n * group + at];
      }
      for (int n = 0; live && n < VALUE_GROUPS; ++n) {
        by_rate += rate[n * group + at];
      }
      const float upto = sums_upto(later, lane);
      const float before = simd_shuffle_up(upto, static_cast<ushort>(1));
      const float through = carries ? crossing - uniform_broadcast(pairs, 0) : 0.0f;
      const float grad_x = starts ? 0.0f : pairs + (lane > 0 ? before : 0.0f) + through;
      crossing = through + uniform_broadcast(upto, TILE - 1);
      if (live) {
        grad_delta[at] = static_cast<Delta>(fma(A_head, grad_x, by_rate));
        grad_A = fma(static_cast<float>(delta[at]), grad_x, grad_A);
      }
    }
    grad_A = uniform_sum(grad_A);
    const int parts = delta_shape[0] * spans;
    const int part = static_cast<int>(batch) * spans + span;
    const int rows = (parts + A_PARTS - 1) / A_PARTS;
    if (lane == 0) {
      A_parts[(static_cast<long>(part % A_PARTS) * rows + part / A_PARTS) * H + head] = grad_A;
    }
    // The last part fills up with zeros.
    for (int i = parts + lane; part == parts - 1 && i < A_PARTS * rows; i += TILE) {
      A_parts[(static_cast<long>(i % A_PARTS) * rows + i / A_PARTS) * H + head] = 0.0f;
    }
  }
}
