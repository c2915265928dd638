// rotlru forward: h[t] = a[t] * R[t] h[t-1] + b[t], y[t] = h[t], R = [[cos, -sin], [sin, cos]], for each pair
// of neighbouring channels. a, cos, sin are [B, L, D / 2], b and y [B, L, D]; h[-1] is initial_state [B, D]
// or 0. Orvieto et al. 2023, Resurrecting Recurrent Neural Networks, arXiv:2303.06349, eq. 4.
//
// A pair is a complex number, and a step is the map h -> z * h + b with z = a * (cos + i sin). A threadgroup
// owns LANES pairs of one sequence and walks over time in tiles of SLICES x STEPS, as rglru's does.
#include <metal_stdlib>

#include "../common/rotation.h"

using namespace metal;

template <
    typename A,
    typename C,
    typename S,
    typename T,
    int LANES,
    int SLICES,
    int STEPS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void rotlru_forward(
    const device A* a,                  // [B, L, D / 2]
    const device C* cos,                // [B, L, D / 2]
    const device S* sin,                // [B, L, D / 2]
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
  threadgroup float maps[6 * PLANE];

  const int L = a_shape[1];
  const int pairs = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int pair = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = pair < pairs;
  const int slot = slice * LANES + lane;
  const long state = 2 * (static_cast<long>(batch) * pairs + pair);
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;

  // The tile's initial pair; slice 0 alone uses it.
  float4 carry = float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (HAS_INITIAL_STATE && in_range) {
    carry = float4(initial_state[state], initial_state[state + 1], 0.0f, 0.0f);
  }
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      const long saved = 2 * ((batch * tiles + tile) * pairs + pair);
      tile_state[saved] = carry.x;
      tile_state[saved + 1] = carry.y;
    }

    // Steps past the end are the identity (1, 0), which does not change the state.
    float size[STEPS];
    float gate_re[STEPS];
    float gate_im[STEPS];
    float value_u[STEPS];
    float value_w[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const long origin = first * pairs + pair - lane;
    const auto a_tile = a + origin;
    const auto cos_tile = cos + origin;
    const auto sin_tile = sin + origin;
    const auto b_tile = b + 2 * origin;
    const auto y_tile = y + 2 * origin;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const int at = i * pairs + lane;
      const bool turns = live && !(HAS_RESET && reset[first + i]);
      size[i] = turns ? static_cast<float>(a_tile[at]) : 1.0f;
      gate_re[i] = turns ? static_cast<float>(cos_tile[at]) : live ? 0.0f : 1.0f;
      gate_im[i] = turns ? static_cast<float>(sin_tile[at]) : 0.0f;
      value_u[i] = live ? static_cast<float>(b_tile[2 * at]) : 0.0f;
      value_w[i] = live ? static_cast<float>(b_tile[2 * at + 1]) : 0.0f;
    }

    float4 product = float4(1.0f, 0.0f, 0.0f, 0.0f);
    float smallest = INFINITY;
    float2 sum = float2(0.0f, 0.0f);
    for (int i = 0; i < STEPS; ++i) {
      const float4 gate = rotation_gate(size[i], gate_re[i], gate_im[i]);
      gate_re[i] = gate.x;
      gate_im[i] = gate.y;
      const float2 value = float2(value_u[i], value_w[i]);
      if (i == 0) {
        product = gate;
        sum = value;
      } else {
        product = rotation_multiply(gate, product);
        sum = rotation_apply<HAS_RESET>(gate.xy, value, sum);
      }
      const float reach = rotation_size(product.xy);
      smallest = reach < smallest ? reach : smallest;
    }
    maps[slot] = rotation_slice(product.xy, smallest, rotation_size(sum));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = product.z;
    maps[slot + 3 * PLANE] = product.w;
    maps[slot + 4 * PLANE] = sum.x;
    maps[slot + 5 * PLANE] = sum.y;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(row + L - begin));
    const long start = begin * pairs + pair;
    const auto whole =
        rotation_steps(a + start, cos + start, sin + start, b + 2 * start, reset + begin, pairs, count);
    const int folds = slice == 0 ? (count + STEPS - 1) / STEPS : 0;
    carry = rotation_fold<HAS_RESET, false, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 2 * PLANE, whole, folds, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float2 h = float2(maps[slot + 2 * PLANE], maps[slot + 3 * PLANE]);
    for (int i = 0; i < STEPS; ++i) {
      h = rotation_apply<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(value_u[i], value_w[i]), h);
      if (in_range && i < steps) {
        const int at = 2 * (i * pairs + lane);
        const float u = h.x;
        const float w = h.y;
        y_tile[at] = static_cast<T>(u);
        y_tile[at + 1] = static_cast<T>(w);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
    final_state[state + 1] = carry.y;
  }
}
