// NAME backward:
// with G[t] = grad_y[t] + a[t+1] * G[t+1] and G[L-1] += grad_final_state, per channel,
// grad_x[t] = (1 - a[t]) * G[t], grad_a[t] = (h[t-1] - x[t]) * G[t], grad_initial_state = a[0] * G[0].
// a, x, y are [B, L, D]. Bradbury et al. 2016, Quasi-Recurrent Neural Networks, arXiv:1611.01576.
//
// The tiles of the forward pass, walked from last to first. The states inside a tile are recomputed in
// fp32 from the state that entered it, so gradients do not depend on the rounding of y.
#include <metal_stdlib>

#include "../common/affine.h"

using namespace metal;

template <typename A, typename X, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void NAME_backward(
    const device A* a,                     // [B, L, D]
    const device X* x,                     // [B, L, D]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, cdiv(L, SLICES * STEPS), D]
    const device X* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D]
    device A* grad_a,                      // [B, L, D]
    device X* grad_x,                      // [B, L, D]
    device float* grad_initial_state,      // [B, D]
    const constant int* a_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_gate[SLICES * LANES];
  threadgroup float slice_value[SLICES * LANES];
  threadgroup float slice_grad[SLICES * LANES];

  const int L = a_shape[1];
  const int D = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;

  // carry = a[t+1] * G[t+1] at the right edge of the tile.
  float carry = in_range ? grad_final_state[state] : 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float gate[STEPS];
    float value[STEPS];
    float grad[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long at = (first + i) * D + channel;
      gate[i] = live ? static_cast<float>(a[at]) : 1.0f;
      value[i] = live ? (1.0f - gate[i]) * static_cast<float>(x[at]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[at]) : 0.0f;
      if (HAS_RESET && live && reset[first + i]) {
        gate[i] = 0.0f;
      }
    }

    float product = 1.0f;
    float sum = 0.0f;
    for (int i = 0; i < STEPS; ++i) {
      product = HAS_RESET && product == 0.0f ? 0.0f : product * gate[i];
      sum = affine_apply<HAS_RESET>(gate[i], value[i], sum);
    }
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      adjoint = affine_apply<HAS_RESET>(gate[i], 0.0f, grad[i] + adjoint);
    }
    slice_gate[slot] = product;
    slice_value[slot] = sum;
    slice_grad[slot] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = in_range ? tile_state[(batch * tiles + tile) * D + channel] : 0.0f;
    for (int s = 0; s < slice; ++s) {
      h = affine_apply<HAS_RESET>(slice_gate[s * LANES + lane], slice_value[s * LANES + lane], h);
    }
    float from_right = carry;
    for (int s = SLICES - 1; s >= 0; --s) {
      from_right = s == slice ? carry : from_right;
      carry = affine_apply<HAS_RESET>(slice_gate[s * LANES + lane], slice_grad[s * LANES + lane], carry);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    // From here on value[i] holds h[t-1].
    for (int i = 0; i < STEPS; ++i) {
      const float previous = h;
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      value[i] = previous;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const long at = (first + i) * D + channel;
        const bool forgets = HAS_RESET && reset[first + i];
        grad_x[at] = static_cast<X>((1.0f - static_cast<float>(a[at])) * g);
        grad_a[at] = static_cast<A>(((forgets ? 0.0f : value[i]) - static_cast<float>(x[at])) * g);
      }
      from_right = affine_apply<HAS_RESET>(gate[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry;
  }
}
