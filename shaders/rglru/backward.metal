// rglru backward: with G[t] = grad_y[t] + a[t+1] * G[t+1] and G[L-1] += grad_final_state,
// grad_b[t] = G[t], grad_a[t] = G[t] * h[t-1], grad_initial_state = a[0] * G[0]; all per channel.
// a, b, y are [B, L, D]. De et al. 2024, Griffin, arXiv:2402.19427, eq. 4.
//
// The backward pass walks over the tiles of the forward pass from last to first. It recomputes the states in
// a tile in fp32 from the tile's initial state, so gradients do not depend on the rounding of y.
#include <metal_stdlib>

#include "../common/affine.h"

using namespace metal;

template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void rglru_backward(
    const device A* a,                     // [B, L, D]
    const device T* b,                     // [B, L, D]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, cdiv(L, SLICES * STEPS), D]
    const device T* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D]
    device A* grad_a,                      // [B, L, D]
    device T* grad_b,                      // [B, L, D]
    device float* grad_initial_state,      // [B, D]
    const constant int* a_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[5 * PLANE];

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

  // carry = a[t+1] * G[t+1] at the right edge of the tile; slice 0 alone uses it.
  float2 carry = float2(in_range ? grad_final_state[state] : 0.0f, 0.0f);
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float gate[STEPS];
    float value[STEPS];
    float grad[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      gate[i] = live ? static_cast<float>(a[(first + i) * D + channel]) : 1.0f;
      value[i] = live ? static_cast<float>(b[(first + i) * D + channel]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[(first + i) * D + channel]) : 0.0f;
      if (HAS_RESET && live && reset[first + i]) {
        gate[i] = 0.0f;
      }
    }

    float2 product = float2(gate[0], 0.0f);
    float smallest = fabs(gate[0]);
    float sum = value[0];
    for (int i = 1; i < STEPS; ++i) {
      product = affine_product(product, gate[i]);
      const float size = fabs(product.x);
      smallest = size < smallest ? size : smallest;
      sum = affine_apply<HAS_RESET>(gate[i], value[i], sum);
    }
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      adjoint = affine_apply<HAS_RESET>(gate[i], 0.0f, grad[i] + adjoint);
    }
    maps[slot] = affine_slice(product.x, smallest, fabs(sum) + fabs(adjoint));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = sum;
    maps[slot + 3 * PLANE] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const auto a_tile = a + begin * D + channel;
    const int count = min(TILE, static_cast<int>(row + L - begin));
    const auto forwards = affine_steps(a_tile, b + begin * D + channel, reset + begin, D, count);
    const auto backwards = affine_steps(a_tile, grad_y + begin * D + channel, reset + begin, D, count);
    const int slices = (count + STEPS - 1) / STEPS;
    const float entry = in_range ? tile_state[(batch * tiles + tile) * D + channel] : 0.0f;
    affine_fold<HAS_RESET, false, false, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 4 * PLANE, forwards, slice == 1 ? slices : 0, float2(entry, 0.0f));
    carry = affine_fold<HAS_RESET, true, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + PLANE, backwards, slice == 0 ? slices : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = maps[slot + 4 * PLANE];
    float from_right = maps[slot + PLANE];
    // From here on value[i] is h[t-1].
    for (int i = 0; i < STEPS; ++i) {
      const float previous = h;
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      value[i] = previous;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const bool forgets = HAS_RESET && reset[first + i];
        grad_b[(first + i) * D + channel] = static_cast<T>(g);
        grad_a[(first + i) * D + channel] = static_cast<A>(forgets ? 0.0f : g * value[i]);
      }
      from_right = affine_apply<HAS_RESET>(gate[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry.x;
  }
}
