// rglru_gated backward: with g[t] = A^delta[t], m[t] = sqrt(1 - g[t]^2), R[t] = grad_y[t] + g[t+1] o R[t+1],
// R[L-1] += grad_final_state, and s = delta log A: grad_u = sum_n R o m, grad_initial_state = g[0] o R[0],
// grad_s = R o (g o h[t-1] + u dm/ds), grad_delta = sum_n grad_s o log A, grad_A = sum_t grad_s o delta / A.
// dm/ds = -g^2 / m is infinite at g = 1: sqrt_grad_limit bounds the root's slope 1 / 2m. Shapes and paper as
// in forward.metal.
//
// The backward pass walks over the tiles of the forward pass from last to first and recomputes the states in
// a tile from its initial states. A_parts has grad_A for each row of the batch, as a sum in two floats.
#include <metal_stdlib>

#include "../common/decay.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeA,
    int N,
    int LANES,
    int SLICES,
    int STEPS,
    bool A_PER_STATE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void rglru_gated_backward(
    const device U* u,                      // [B, L, D]
    const device Delta* delta,              // [B, L, D]
    const device TypeA* A,                  // [D, N] or [D]
    const device bool* reset,               // [B, L]
    const device float* tile_state,         // [B, TILES, N, D]
    const constant float* sqrt_grad_limit,  // [1]
    const device U* grad_y,                 // [B, L, D]
    const device float* grad_final_state,   // [B, D, N]
    device U* grad_u,                       // [B, L, D]
    device Delta* grad_delta,               // [B, L, D]
    device float* grad_initial_state,       // [B, D, N]
    device float* A_parts,                  // [2 * B, D * A_STATES]
    device float* carry,                    // [B, 3, N, D]
    const constant int* u_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int A_STATES = A_PER_STATE ? N : 1;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_r[SLICES * LANES];
  threadgroup float slice_rate[SLICES * LANES];

  const int L = u_shape[1];
  const int D = u_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  // Pointers for compilers for CPUs, as in the forward pass.
  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  auto lane_r = slice_r + lane;
  auto lane_rate = slice_rate + lane;
  const long state = (batch * D + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float least = 1.0f / sqrt_grad_limit[0];

  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = (batch * tiles + tile) * N * D + channel;
    // carry holds g[t+1] o R[t+1] at the right edge of even and of odd tiles, and the rounding error of its
    // floats.
    const long carry_in = (batch * 3 + tile % 2) * N * D + channel;
    const long carry_out = (batch * 3 + (tile + 1) % 2) * N * D + channel;
    const long carry_rest = (batch * 3 + 2) * N * D + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float by_root[STEPS];
    float by_rate[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      time[i] = live ? static_cast<float>(delta[(first + i) * D + channel]) : 0.0f;
      input[i] = live ? static_cast<float>(u[(first + i) * D + channel]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[(first + i) * D + channel]) : 0.0f;
      by_root[i] = 0.0f;
      by_rate[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    float all_rates = 0.0f;
    for (int n = 0; n < N; ++n) {
      const float base = in_range ? static_cast<float>(A[A_PER_STATE ? channel * N + n : channel]) : 1.0f;
      const bool closed = base == 0.0f;
      const float rate = decay_rate(base);
      float power[STEPS];
      float value[STEPS];
      float local = 0.0f;
      // Unroll by name: a long loop otherwise keeps its arrays in memory.
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
        power[i] = decay_of(time[i] * rate);
        value[i] = metal::precise::sqrt(decay_complement(power[i])) * input[i];
        const float gate = forgets[i] ? 0.0f : power[i];
        local = decay_apply<HAS_RESET>(gate, value[i], local);
      }
      float adjoint = 0.0f;
#pragma clang loop unroll(full)
      for (int i = STEPS - 1; i >= 0; --i) {
        adjoint = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], 0.0f, grad[i] + adjoint);
      }
      lane_a[slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[slice * LANES] = local;
      lane_r[slice * LANES] = adjoint;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = static_cast<long>(n) * D;
      float h = in_range ? tile_state[saved + at] : 0.0f;
      float from_right = 0.0f;
      if (in_range && tile + 1 < tiles) {
        from_right = carry[carry_in + at];
      } else if (in_range) {
        from_right = grad_final_state[state + n];
        if (slice == 0) {
          carry[carry_in + at] = from_right;
        }
      }
      h = decay_fold<HAS_RESET>(lane_a, lane_b, LANES, slice, h);
      const bool carries = in_range && slice == 0;
      float rest = carries && tile + 1 < tiles ? carry[carry_rest + at] : 0.0f;
      decay_fold_reverse<HAS_RESET>(lane_a, lane_r, LANES, SLICES, slice + 1, from_right, rest);
      if (carries) {
        float next = from_right;
        float next_rest = rest;
        decay_carry<HAS_RESET>(next, next_rest, lane_a[slice * LANES], lane_r[slice * LANES]);
        sum_settle(next, next_rest);
        carry[carry_rest + at] = next_rest;
        carry[carry_out + at] = next;
        if (HAS_INITIAL_STATE && tile == 0) {
          grad_initial_state[state + n] = next;
        }
      }
      from_right += rest;

      // From here on value[i] is h[t-1].
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
        const float previous = h;
        h = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], value[i], h);
        value[i] = previous;
      }
      float rate_sum = 0.0f;
#pragma clang loop unroll(full)
      for (int i = STEPS - 1; i >= 0; --i) {
        const float r = grad[i] + from_right;
        from_right = decay_apply<HAS_RESET>(forgets[i] ? 0.0f : power[i], 0.0f, r);
        const float root = metal::precise::sqrt(decay_complement(power[i]));
        const float g = decay_value(power[i]);
        const float slope = -2.0f * g * g / max(2.0f * root, least);
        // At A = 0, A^delta has the slope 1 if delta is 1.
        const float passed = closed && time[i] == 1.0f ? r : from_right;
        const float through = fma(r * input[i], slope, forgets[i] ? 0.0f : passed * value[i]);
        by_root[i] = fma(r, root, by_root[i]);
        by_rate[i] = fma(through, closed ? 0.0f : rate, by_rate[i]);
        rate_sum = fma(through, time[i], rate_sum);
      }
      lane_rate[slice * LANES] = rate_sum;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (in_range && slice == 0) {
        for (int s = 0; s < SLICES; ++s) {
          all_rates += lane_rate[s * LANES];
        }
        if (A_PER_STATE || n == N - 1) {
          const long part = (batch * D + channel) * A_STATES + n % A_STATES;
          const long rests = static_cast<long>(u_shape[0]) * D * A_STATES;
          part_add(A_parts + part, rests, all_rates / (closed ? 1.0f : base), tile + 1 == tiles);
          all_rates = 0.0f;
        }
      }
    }
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        grad_u[(first + i) * D + channel] = static_cast<U>(by_root[i]);
        grad_delta[(first + i) * D + channel] = static_cast<Delta>(by_rate[i]);
      }
    }
  }
}
