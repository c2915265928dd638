// rglru forward: h[t] = a[t] * h[t-1] + b[t], y[t] = h[t], for each channel.
// a, b, y are [B, L, D]; h[-1] is initial_state [B, D] or 0. De et al. 2024, Griffin, arXiv:2402.19427,
// eq. 4.
//
// A threadgroup owns LANES channels of one sequence and walks over time in tiles of SLICES x STEPS.
// Each thread composes its STEPS time steps, held in registers, into one map h -> a * h + b. The SLICES
// threads of a channel exchange their maps through threadgroup memory, so every input is read once.
#include <metal_stdlib>

#include "../common/affine.h"

using namespace metal;

template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void rglru_forward(
    const device A* a,                  // [B, L, D]
    const device T* b,                  // [B, L, D]
    const device float* initial_state,  // [B, D]
    const device bool* reset,           // [B, L]
    device T* y,                        // [B, L, D]
    device float* final_state,          // [B, D]
    device float* tile_state,           // [B, cdiv(L, SLICES * STEPS), D]
    const constant int* a_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[3 * PLANE];

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

  // The tile's initial state; slice 0 alone uses it.
  float2 carry = float2(HAS_INITIAL_STATE && in_range ? initial_state[state] : 0.0f, 0.0f);
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry.x;
    }

    // Steps past the end are the identity (1, 0), which does not change the state.
    float gate[STEPS];
    float value[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      gate[i] = live ? static_cast<float>(a[(first + i) * D + channel]) : 1.0f;
      value[i] = live ? static_cast<float>(b[(first + i) * D + channel]) : 0.0f;
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
    maps[slot] = affine_slice(product.x, smallest, fabs(sum));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(row + L - begin));
    const auto whole =
        affine_steps(a + begin * D + channel, b + begin * D + channel, reset + begin, D, count);
    const int folds = slice == 0 ? (count + STEPS - 1) / STEPS : 0;
    carry = affine_fold<HAS_RESET, false, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + PLANE, whole, folds, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = maps[slot + PLANE];
    for (int i = 0; i < STEPS; ++i) {
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      if (in_range && i < steps) {
        y[(first + i) * D + channel] = static_cast<T>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
  }
}
