// selective_scan backward: with x[t] = h[t] C[t] + D u[t] and q = grad_y o silu(z), or grad_y without z,
// g[t] = exp(delta[t] A) and R[t] = q[t] (x) C[t] + g[t+1] o R[t+1], R[L-1] += grad_final_state, and
// E[t] = g[t] o R[t] o h[t-1]: grad_C = sum_d q o h, grad_B = sum_d R o delta u,
// grad_u = delta * sum_n R o B + D q, grad_delta = sum_n (R o u (x) B + A o E), times the slope of softplus,
// grad_A = sum_bt delta * E, grad_D = sum_bt q u, grad_z = grad_y x silu'(z), grad_delta_bias = sum_bt
// grad_delta, grad_initial_state = g[0] o R[0]. Shapes and paper as in forward.metal.
//
// The tiles of the forward pass, walked from last to first, with the states recomputed from those that
// entered the tile. What is summed over channels, time or the batch leaves here as one part a threadgroup.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"

using namespace metal;

template <
    typename U,
    typename Delta,
    typename TypeA,
    typename TypeB,
    typename TypeC,
    typename TypeD,
    typename Z,
    typename Bias,
    int LANES,
    int SLICES,
    int STEPS,
    bool SOFTPLUS,
    bool HAS_D,
    bool HAS_Z,
    bool HAS_DELTA_BIAS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void selective_scan_backward(
    const device U* u,                     // [B, L, D]
    const device Delta* delta,             // [B, L, D]
    const device TypeA* A,                 // [D, N]
    const device TypeB* B,                 // [B, L, N]
    const device TypeC* C,                 // [B, L, N]
    const device TypeD* D,                 // [D]
    const device Z* z,                     // [B, L, D]
    const device Bias* delta_bias,         // [D]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, TILES, N, D]
    const device U* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D, N]
    device U* grad_u,                      // [B, L, D]
    device Delta* grad_delta,              // [B, L, D]
    device Z* grad_z,                      // [B, L, D]
    device float* grad_initial_state,      // [B, D, N]
    device float* A_parts,                 // [2 * B, D, N]
    device float* B_parts,                 // [BLOCKS, B, L, N]
    device float* C_parts,                 // [BLOCKS, B, L, N]
    device float* D_parts,                 // [2 * B, D]
    device float* bias_parts,              // [2 * B, D]
    device float* carry,                   // [B, 3, N, D]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES == 32, "LANES must be a simdgroup, because sums over channels are simd sums");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_a[SLICES * LANES];
  threadgroup float slice_b[SLICES * LANES];
  threadgroup float slice_r[SLICES * LANES];
  threadgroup float slice_rate[SLICES * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long block = threadgroup_position_in_grid.x;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = static_cast<int>(block) * LANES + lane;
  const bool in_range = channel < channels;
  // As in the forward pass, for compilers for CPUs.
  auto lane_a = slice_a + lane;
  auto lane_b = slice_b + lane;
  auto lane_r = slice_r + lane;
  auto lane_rate = slice_rate + lane;
  const long state = (batch * channels + channel) * N;
  const long tiles = (L + TILE - 1) / TILE;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;

  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = (batch * tiles + tile) * N * channels + channel;
    // carry holds g[t+1] o R[t+1] at the right edge of even and of odd tiles, and what its floats lack.
    const long carry_in = (batch * 3 + tile % 2) * N * channels + channel;
    const long carry_out = (batch * 3 + (tile + 1) % 2) * N * channels + channel;
    const long carry_rest = (batch * 3 + 2) * N * channels + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const auto B_slice = B + first * N;
    const auto C_slice = C + first * N;
    const long parts = (block * B_shape[0] * L + first) * N;
    const auto B_out = B_parts + parts;
    const auto C_out = C_parts + parts;

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float sum[STEPS];
    float by_B[STEPS];
    float by_rate[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long at = (first + i) * channels + channel;
      const float step = live ? static_cast<float>(delta[at]) + bias : 0.0f;
      const float opened = HAS_Z && live ? static_cast<float>(z[at]) : 1.0f;
      time[i] = SOFTPLUS && live ? softplus(step) : step;
      input[i] = live ? static_cast<float>(u[at]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[at]) * (HAS_Z ? opened * sigmoid(opened) : 1.0f) : 0.0f;
      sum[i] = skip * input[i];
      by_B[i] = 0.0f;
      by_rate[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    for (int n = 0; n < N; ++n) {
      const float rate = in_range ? static_cast<float>(A[static_cast<long>(channel) * N + n]) : 0.0f;
      float gate[STEPS];
      float value[STEPS];
      float local = 0.0f;
      // Unrolled by name: long loops, and those that hold a simd operation, else keep their arrays in memory.
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        gate[i] = forgets[i] ? 0.0f : decay_of(time[i] * rate);
        value[i] = i < steps ? time[i] * input[i] * static_cast<float>(B_slice[i * N + n]) : 0.0f;
        local = decay_apply<HAS_RESET>(gate[i], value[i], local);
      }
      float adjoint = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const float query = i < steps ? static_cast<float>(C_slice[i * N + n]) : 0.0f;
        adjoint = decay_apply<HAS_RESET>(gate[i], 0.0f, fma(query, grad[i], adjoint));
      }
      lane_a[slice * LANES] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate);
      lane_b[slice * LANES] = local;
      lane_r[slice * LANES] = adjoint;
      threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);

      const long at = static_cast<long>(n) * channels;
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

      // From here on value[i] holds h[t-1].
#pragma unroll
      for (int i = 0; i < STEPS; ++i) {
        const float previous = h;
        h = decay_apply<HAS_RESET>(gate[i], value[i], h);
        value[i] = previous;
        if (HAS_Z && i < steps) {
          sum[i] = fma(static_cast<float>(C_slice[i * N + n]), h, sum[i]);
        }
        const float part = simd_sum(grad[i] * h);
        if (lane == 0 && i < steps) {
          C_out[i * N + n] = part;
        }
      }
      float rate_sum = 0.0f;
#pragma unroll
      for (int i = STEPS - 1; i >= 0; --i) {
        const bool live = i < steps;
        const float query = live ? static_cast<float>(C_slice[i * N + n]) : 0.0f;
        const float key = live ? static_cast<float>(B_slice[i * N + n]) : 0.0f;
        const float r = fma(query, grad[i], from_right);
        from_right = decay_apply<HAS_RESET>(gate[i], 0.0f, r);
        const float through = forgets[i] ? 0.0f : from_right * value[i];
        by_B[i] = fma(r, key, by_B[i]);
        by_rate[i] = fma(through, rate, by_rate[i]);
        rate_sum = fma(through, time[i], rate_sum);
        const float part = simd_sum(r * time[i] * input[i]);
        if (lane == 0 && live) {
          B_out[i * N + n] = part;
        }
      }
      lane_rate[slice * LANES] = rate_sum;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (in_range && slice == 0) {
        float total = 0.0f;
        for (int s = 0; s < SLICES; ++s) {
          total += lane_rate[s * LANES];
        }
        const long rests = static_cast<long>(B_shape[0]) * channels * N;
        part_add(A_parts + state + n, rests, total, tile + 1 == tiles);
      }
    }

    float by_skip = 0.0f;
    float by_bias = 0.0f;
    for (int i = 0; i < STEPS; ++i) {
      if (in_range && i < steps) {
        const long at = (first + i) * channels + channel;
        // The slope of softplus is 1 - e^-softplus.
        const float slope = SOFTPLUS ? -exp_minus_one(-time[i], exp(-time[i])) : 1.0f;
        const float by_delta = slope * fma(input[i], by_B[i], by_rate[i]);
        grad_u[at] = static_cast<U>(fma(time[i], by_B[i], skip * grad[i]));
        grad_delta[at] = static_cast<Delta>(by_delta);
        by_bias += by_delta;
        by_skip = fma(grad[i], input[i], by_skip);
        if (HAS_Z) {
          const float opened = static_cast<float>(z[at]);
          const float open = sigmoid(opened);
          const float bend = open * fma(opened, 1.0f - open, 1.0f);
          grad_z[at] = static_cast<Z>(static_cast<float>(grad_y[at]) * sum[i] * bend);
        }
      }
    }

    lane_a[slice * LANES] = by_skip;
    lane_b[slice * LANES] = by_bias;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (in_range && slice == 0) {
      for (int s = 1; s < SLICES; ++s) {
        by_skip += lane_a[s * LANES];
        by_bias += lane_b[s * LANES];
      }
      const long part = batch * channels + channel;
      const long rests = static_cast<long>(B_shape[0]) * channels;
      part_add(D_parts + part, rests, by_skip, tile + 1 == tiles);
      part_add(bias_parts + part, rests, by_bias, tile + 1 == tiles);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}
