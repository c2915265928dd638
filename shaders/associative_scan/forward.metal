// associative_scan forward: y[t] = y[t-1] o x[t] for each channel, where o is the operator OP; with REVERSE
// time runs from the last step to the first. x, y are [B, L, D]; y[-1] is initial_state [B, D] or the
// identity of o. Blelloch 1990, Prefix Sums and Their Applications, CMU-CS-90-190.
//
// A threadgroup owns LANES channels of one sequence and walks over time in tiles of SLICES x STEPS, as
// rglru/forward does. A thread combines its STEPS time steps into one value and a flag for a reset.
#include <metal_stdlib>

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
[[kernel]] void associative_scan_forward(
    const device T* x,                  // [B, L, D]
    const device float* initial_state,  // [B, D]
    const device bool* reset,           // [B, L]
    device T* y,                        // [B, L, D]
    device float* final_state,          // [B, D]
    device float* tile_state,           // [B, cdiv(L, SLICES * STEPS), D]
    const constant int* x_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float totals[2 * PLANE];
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

  // The tile's initial value; slice 0 alone uses it.
  float2 carry = float2(HAS_INITIAL_STATE && in_range ? initial_state[state] : scan_identity<OP>(), 0.0f);
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry.x;
    }

    // Steps past the end are the identity, which does not change the value.
    float value[STEPS];
    bool fresh[STEPS];
    const long first = tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long row = origin + direction * (first + i);
      value[i] = live ? static_cast<float>(x[row * D + channel]) : scan_identity<OP>();
      fresh[i] = HAS_RESET && live && reset[row];
    }

    float2 total = float2(value[0], 0.0f);
    float smallest = fabs(value[0]);
    bool forgets = fresh[0];
    for (int i = 1; i < STEPS; ++i) {
      if (fresh[i]) {
        total = float2(value[i], 0.0f);
      } else {
        total = scan_extend<OP>(total, value[i]);
      }
      const float size = fabs(total.x);
      smallest = size < smallest ? size : smallest;
      forgets = forgets || fresh[i];
    }
    totals[slot] = scan_slice<OP>(total.x, smallest, forgets);
    totals[slot + PLANE] = total.y;
    slice_forgets[slot] = forgets;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(L - tile * TILE));
    const auto x_tile = x + (origin + direction * (tile * TILE)) * D + channel;
    carry = scan_fold<OP, HAS_RESET, LANES, SLICES, STEPS>(
        totals + lane, slice_forgets + lane, x_tile, direction * D, slice == 0 ? count : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = totals[slot + PLANE];
    for (int i = 0; i < STEPS; ++i) {
      h = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      if (in_range && i < steps) {
        y[(origin + direction * (first + i)) * D + channel] = static_cast<T>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
  }
}
