// NAME forward:
// h[t] = a[t] * h[t-1] + (1 - a[t]) * x[t], y[t] = h[t], each channel on its own.
// a, x, y are [B, L, D]; h[-1] is initial_state [B, D] or 0. Bradbury et al. 2016, Quasi-Recurrent Neural
// Networks, arXiv:1611.01576.
//
// A threadgroup owns LANES channels of one sequence and walks over time in tiles of SLICES x STEPS.
// Each thread folds its STEPS time steps, held in registers, into one map h -> gate * h + value; the maps of
// a tile meet in threadgroup memory, so every input is read once and SLICES threads share a channel.
#include <metal_stdlib>

#include "../common/affine.h"

using namespace metal;

template <typename A, typename X, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void NAME_forward(
    const device A* a,                  // [B, L, D]
    const device X* x,                  // [B, L, D]
    const device float* initial_state,  // [B, D]
    const device bool* reset,           // [B, L]
    device X* y,                        // [B, L, D]
    device float* final_state,          // [B, D]
    device float* tile_state,           // [B, cdiv(L, SLICES * STEPS), D]
    const constant int* a_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_gate[SLICES * LANES];
  threadgroup float slice_value[SLICES * LANES];

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

  float carry = HAS_INITIAL_STATE && in_range ? initial_state[state] : 0.0f;
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry;
    }

    // What a step does to h. Steps past the end are the identity (1, 0).
    float gate[STEPS];
    float value[STEPS];
    const long first = row + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long at = (first + i) * D + channel;
      gate[i] = live ? static_cast<float>(a[at]) : 1.0f;
      value[i] = live ? (1.0f - gate[i]) * static_cast<float>(x[at]) : 0.0f;
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
    slice_gate[slot] = product;
    slice_value[slot] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = carry;
    for (int s = 0; s < SLICES; ++s) {
      h = s == slice ? carry : h;
      carry = affine_apply<HAS_RESET>(slice_gate[s * LANES + lane], slice_value[s * LANES + lane], carry);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (int i = 0; i < STEPS; ++i) {
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      if (in_range && i < steps) {
        y[(first + i) * D + channel] = static_cast<X>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry;
  }
}
