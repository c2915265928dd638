// associative_scan backward: with keep[t] = d y[t] / d y[t-1] and take[t] = d y[t] / d x[t],
// G[t] = grad_y[t] + keep[t+1] * G[t+1], where G of the last step has grad_final_state added;
// grad_x[t] = take[t] * G[t], grad_initial_state = keep[0] * G[0]. x, y are [B, L, D].
// Blelloch 1990, Prefix Sums and Their Applications, CMU-CS-90-190.
//
// The tiles of the forward pass, walked from last to first. The values inside a tile are recomputed in fp32
// from the one that entered it, so gradients do not depend on the rounding of y, and nothing is divided.
#include <metal_stdlib>

#include "../common/affine.h"
#include "operators.h"

using namespace metal;

template <
    typename T,
    int OP,
    bool REVERSE,
    int LANES,
    int SLICES,
    int STEPS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void associative_scan_backward(
    const device T* x,                     // [B, L, D]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, cdiv(L, SLICES * STEPS), D]
    const device T* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D]
    device T* grad_x,                      // [B, L, D]
    device float* grad_initial_state,      // [B, D]
    const constant int* x_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_total[SLICES * LANES];
  threadgroup float slice_keep[SLICES * LANES];
  threadgroup float slice_adjoint[SLICES * LANES];
  threadgroup bool slice_forgets[SLICES * LANES];

  const int L = x_shape[1];
  const int D = x_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;
  // Step s of the scan is at row `origin + direction * s`.
  const long origin = static_cast<long>(batch) * L + (REVERSE ? L - 1 : 0);
  const int direction = REVERSE ? -1 : 1;
  const long tiles = (L + TILE - 1) / TILE;

  // carry = keep[t+1] * G[t+1] at the right edge of the tile.
  float carry = in_range ? grad_final_state[state] : 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float value[STEPS];
    float grad[STEPS];
    bool fresh[STEPS];
    const long first = tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long row = origin + direction * (first + i);
      value[i] = live ? static_cast<float>(x[row * D + channel]) : scan_identity<OP>();
      grad[i] = live ? static_cast<float>(grad_y[row * D + channel]) : 0.0f;
      // The very first step has no one to share with either: it wins even where it equals the identity.
      fresh[i] = live && ((HAS_RESET && reset[row]) || (!HAS_INITIAL_STATE && first + i == 0));
    }

    float total = scan_identity<OP>();
    bool forgets = false;
    for (int i = 0; i < STEPS; ++i) {
      total = fresh[i] ? value[i] : scan_combine<OP>(total, value[i]);
      forgets = forgets || fresh[i];
    }
    slice_total[slot] = total;
    slice_forgets[slot] = forgets;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float entry = in_range ? tile_state[(batch * tiles + tile) * D + channel] : scan_identity<OP>();
    float h = scan_fold<OP, HAS_RESET>(slice_total + lane, slice_forgets + lane, LANES, 0, slice, entry);

    // From here on value[i] holds take.
    float keep[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      const float next = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      keep[i] = fresh[i] ? 0.0f : scan_by_earlier<OP>(h, value[i], next);
      value[i] = fresh[i] ? 1.0f : scan_by_later<OP>(h, value[i], next);
      h = next;
    }
    float product = 1.0f;
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      product = affine_apply<true>(keep[i], 0.0f, product);
      adjoint = affine_apply<true>(keep[i], 0.0f, grad[i] + adjoint);
    }
    slice_keep[slot] = product;
    slice_adjoint[slot] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float from_right =
        affine_fold_reverse<true>(slice_keep + lane, slice_adjoint + lane, LANES, SLICES, slice + 1, carry);
    carry =
        affine_fold_reverse<true>(slice_keep + lane, slice_adjoint + lane, LANES, slice + 1, 0, from_right);
    // The next tile writes slice_keep and slice_adjoint behind a barrier of its own, after all have read.
    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const long row = origin + direction * (first + i);
        grad_x[row * D + channel] = static_cast<T>(affine_apply<true>(value[i], 0.0f, g));
      }
      from_right = affine_apply<true>(keep[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry;
  }
}
