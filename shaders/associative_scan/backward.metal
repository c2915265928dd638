// associative_scan backward: with keep[t] = d y[t] / d y[t-1] and take[t] = d y[t] / d x[t], G[t] = grad_y[t]
// + keep[t+1] * G[t+1], plus grad_final_state at the last step; grad_x[t] = take[t] * G[t],
// grad_initial_state = keep[0] * G[0]. x, y are [B, L, D]. Blelloch 1990, Prefix Sums and Their Applications,
// CMU-CS-90-190.
//
// The backward pass walks over the tiles of the forward pass from last to first. It recomputes the values in
// a tile in fp32 from the tile's initial value, so gradients do not depend on the rounding of y. It needs no
// division.
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
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[4 * PLANE];
  threadgroup bool slice_forgets[PLANE];

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

  // carry = keep[t+1] * G[t+1] at the right edge of the tile; slice 0 alone uses it.
  float2 carry = float2(in_range ? grad_final_state[state] : 0.0f, 0.0f);
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
      // The first step has no earlier value to share the gradient with: it gets all of it even if it equals
      // the identity.
      fresh[i] = live && ((HAS_RESET && reset[row]) || (!HAS_INITIAL_STATE && first + i == 0));
    }

    const int count = min(TILE, static_cast<int>(L - tile * TILE));
    const long begin = origin + direction * (tile * TILE);
    const auto x_tile = x + begin * D + channel;
    bool forgets = false;
    for (int i = 0; i < STEPS; ++i) {
      forgets = forgets || fresh[i];
    }
    // The derivatives of a sum do not depend on its terms.
    float h = 0.0f;
    if (OP != SCAN_ADD) {
      float2 total = float2(value[0], 0.0f);
      float smallest = fabs(value[0]);
      for (int i = 1; i < STEPS; ++i) {
        if (fresh[i]) {
          total = float2(value[i], 0.0f);
        } else {
          total = scan_extend<OP>(total, value[i]);
        }
        const float size = fabs(total.x);
        smallest = size < smallest ? size : smallest;
      }
      maps[slot + 2 * PLANE] = scan_slice<OP>(total.x, smallest, forgets);
      maps[slot + 3 * PLANE] = total.y;
      slice_forgets[slot] = forgets;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      const float entry =
          in_range && slice == 0 ? tile_state[(batch * tiles + tile) * D + channel] : scan_identity<OP>();
      scan_fold<OP, HAS_RESET, LANES, SLICES, STEPS>(
          maps + 2 * PLANE + lane,
          slice_forgets + lane,
          x_tile,
          direction * D,
          slice == 0 ? count : 0,
          float2(entry, 0.0f));
      threadgroup_barrier(mem_flags::mem_threadgroup);
      h = maps[slot + 3 * PLANE];
    }

    // From here on value[i] is take[t].
    float keep[STEPS];
    float2 product = float2(1.0f, 0.0f);
    float lowest = 1.0f;
    for (int i = 0; i < STEPS; ++i) {
      const float next = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      const float2 by_earlier = scan_by_earlier<OP>(h, value[i]);
      keep[i] = fresh[i] ? 0.0f : by_earlier.x;
      product = scan_product<OP>(product, float2(keep[i], by_earlier.y));
      const float size = fabs(product.x);
      lowest = size < lowest ? size : lowest;
      value[i] = fresh[i] ? 1.0f : scan_by_later<OP>(h, value[i]);
      h = next;
    }
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      adjoint = affine_apply<true>(keep[i], 0.0f, grad[i] + adjoint);
    }
    maps[slot] = OP == SCAN_MUL ? affine_slice(product.x, lowest, fabs(adjoint)) : product.x;
    maps[slot + PLANE] = product.y;
    maps[slot + 3 * PLANE] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const auto backwards = affine_steps(x_tile, grad_y + begin * D + channel, reset, direction * D, count);
    carry = scan_fold_back<OP, LANES, SLICES, STEPS>(
        maps + lane, slice_forgets + lane, backwards, slice == 0 ? (count + STEPS - 1) / STEPS : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float from_right = maps[slot + PLANE];
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
    grad_initial_state[state] = carry.x;
  }
}
