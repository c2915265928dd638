// selective_scan backward: with x[t] = h[t] C[t] + D u[t] and q = grad_y o silu(z), or grad_y without z,
// g[t] = exp(delta[t] A) and R[t] = q[t] (x) C[t] + g[t+1] o R[t+1], R[L-1] += grad_final_state, and
// E[t] = g[t] o R[t] o h[t-1]: grad_C = sum_d q o h, grad_B = sum_d R o delta u,
// grad_u = delta * sum_n R o B + D q, grad_delta = sum_n (R o u (x) B + A o E), times the slope of softplus,
// grad_A = sum_bt delta * E, grad_D = sum_bt q u, grad_z = grad_y x silu'(z), grad_delta_bias = sum_bt
// grad_delta, grad_initial_state = g[0] o R[0]. Shapes and paper as in forward.metal.
//
// The tiles of the forward pass, walked from last to first, with the states recomputed from those that
// entered the tile. Of STATES states at a time a thread a channel folds the maps of the slices, and then
// their parts of grad_A, and another one the transposed maps. What is summed over channels, time or the batch
// leaves here as one part a threadgroup.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"
#include "scan.h"

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
    int STATES,
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
    const device float* tile_state,        // [B, cdiv(L, KEPT), N, D]
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
    device float* carry,                   // [B, 4, N, D]
    const constant int* u_shape,
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES == 32, "LANES must be a simdgroup, because sums over channels are simd sums");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(2 * STATES <= SLICES, "SLICES must be 2 * STATES or more, because a slice does one fold");
  static_assert(LANES % (STATES * STEPS) == 0, "STATES * STEPS must divide LANES, which get one sum each");
  constexpr int TILE = SLICES * STEPS;
  // A simdgroup has B and C of its steps and of WIDE states in threadgroup memory, an element a lane.
  constexpr int WIDE = LANES / STEPS;
  static_assert(WIDE * STEPS == LANES, "STEPS must divide LANES, which load a row of states each step");
  static_assert(
      WIDE % STATES == 0, "STATES must divide LANES / STEPS, because B and C come in rows of these");
  // What a slice's threads fold, each for the state fold_state of its channel.
  constexpr int STATE = 0;
  constexpr int ADJOINT = 1;
  threadgroup float keys[SLICES * LANES];
  threadgroup float queries[SLICES * LANES];
  threadgroup float rates[STATES * LANES];
  threadgroup float map_decay[STATES * SLICES * LANES];
  threadgroup float map_value[STATES * SLICES * LANES];
  threadgroup float map_adjoint[STATES * SLICES * LANES];
  threadgroup float rate_parts[STATES * SLICES * LANES];

  const int L = u_shape[1];
  const int channels = u_shape[2];
  const int N = B_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long block = threadgroup_position_in_grid.x;
  const long batch = threadgroup_position_in_grid.z;
  const int channel = static_cast<int>(block) * LANES + lane;
  const bool in_range = channel < channels;
  const int fold = slice / STATES;
  const int fold_state = slice % STATES;
  // As in the forward pass, for compilers for CPUs.
  auto lane_rates = rates + lane;
  auto lane_decay = map_decay + lane;
  auto lane_value = map_value + lane;
  auto lane_adjoint = map_adjoint + lane;
  auto lane_parts = rate_parts + lane;
  auto slice_keys = keys + slice * LANES;
  auto slice_queries = queries + slice * LANES;
  const long state = (batch * channels + channel) * N;
  const long plane = static_cast<long>(N) * channels;
  const long carried = batch * 4 * plane + channel;
  const long tiles = (L + TILE - 1) / TILE;
  const float bias = HAS_DELTA_BIAS && in_range ? static_cast<float>(delta_bias[channel]) : 0.0f;
  const float skip = HAS_D && in_range ? static_cast<float>(D[channel]) : 0.0f;
  // The bits in which simd sums leave states and steps; lanes that differ in the others have the same.
  constexpr int SAME = LANES / (STATES * STEPS);
  const int lane_state = lane / (LANES / STATES);
  const int lane_step = lane / SAME % STEPS;
  const auto rates_in = A + static_cast<long>(channel) * N + fold_state;
  if (fold == STATE) {
    lane_rates[fold_state * LANES] = in_range && fold_state < N ? static_cast<float>(rates_in[0]) : 0.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);

  float skip_sum = 0.0f;
  float skip_rest = 0.0f;
  float bias_sum = 0.0f;
  float bias_rest = 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    const long saved = (batch * tiles + tile) * plane + channel;
    const long first = batch * L + tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(batch * L + L - first));
    const bool is_last = tile + 1 == tiles;

    float time[STEPS];
    float input[STEPS];
    float grad[STEPS];
    float sum[STEPS];
    float by_key[STEPS];
    float by_rate[STEPS];
    bool forgets[STEPS];
    float total_time = 0.0f;
    bool forgets_any = false;
    // All loads before the first division, whose branches would keep them in order.
    const long slice_at = first * channels + channel;
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const int row = i * channels;
      const bool live = in_range && i < steps;
      time[i] = live ? static_cast<float>(delta[slice_at + row]) + bias : 0.0f;
      input[i] = live ? static_cast<float>(u[slice_at + row]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[slice_at + row]) : 0.0f;
      sum[i] = HAS_Z && live ? static_cast<float>(z[slice_at + row]) : 0.0f;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      time[i] = SOFTPLUS && in_range && i < steps ? softplus(time[i]) : time[i];
      grad[i] *= HAS_Z ? sum[i] * sigmoid(sum[i]) : 1.0f;
      sum[i] = skip * input[i];
      by_key[i] = 0.0f;
      by_rate[i] = 0.0f;
      forgets[i] = HAS_RESET && i < steps && reset[first + i];
      total_time += time[i];
      forgets_any = forgets_any || forgets[i];
    }

    for (int n = 0; n < N; n += STATES) {
      const bool folds = in_range && fold <= ADJOINT && n + fold_state < N;
      const long offset = static_cast<long>(n + fold_state) * channels;
      // carry holds g[t+1] o R[t+1] at the right edge of the tile and what its floats lack, then the same of
      // grad_A.
      const long carry_at = carried + (fold == STATE ? 2 * plane : 0) + offset;
      float total = 0.0f;
      float rest = 0.0f;
      if (folds && fold == STATE) {
        total = tile_state[saved + offset];
      } else if (folds && !is_last) {
        total = carry[carry_at];
        rest = carry[carry_at + plane];
      } else if (folds && fold == ADJOINT) {
        total = grad_final_state[state + n + fold_state];
      }
      if (n % WIDE == 0) {
        const bool live = lane / WIDE < steps && n + lane % WIDE < N;
        const long shared_at = (first + lane / WIDE) * N + n + lane % WIDE;
        simdgroup_barrier(mem_flags::mem_threadgroup);
        slice_keys[lane] = scan_load(B, shared_at, live);
        slice_queries[lane] = scan_load(C, shared_at, live);
        simdgroup_barrier(mem_flags::mem_threadgroup);
      }
      const auto round_keys = slice_keys + n % WIDE;
      const auto round_queries = slice_queries + n % WIDE;

      float rate[STATES];
      float gate[STEPS][STATES];
#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        rate[k] = lane_rates[k * LANES];
        const float rate_log2 = rate[k] * M_LOG2E_F;
        float local = 0.0f;
        float adjoint = 0.0f;
#pragma clang loop unroll(full)
        for (int i = 0; i < STEPS; ++i) {
          gate[i][k] = scan_gate(time[i], rate_log2, forgets[i]);
          const float value = time[i] * input[i] * round_keys[i * WIDE + k];
          local = scan_apply<HAS_RESET>(gate[i][k], value, local);
        }
#pragma clang loop unroll(full)
        for (int i = STEPS - 1; i >= 0; --i) {
          adjoint = fma(round_queries[i * WIDE + k], grad[i], adjoint);
          adjoint = scan_apply<HAS_RESET>(gate[i][k], 0.0f, adjoint);
        }
        const int map = (k * SLICES + slice) * LANES;
        lane_decay[map] = HAS_RESET && forgets_any ? 0.0f : decay_of_walk(total_time * rate[k]);
        lane_value[map] = local;
        lane_adjoint[map] = adjoint;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      if (fold == STATE) {
#pragma clang loop unroll(full)
        for (int s = 0; s < SLICES; ++s) {
          const int map = (fold_state * SLICES + s) * LANES;
          const float value = lane_value[map];
          lane_value[map] = total + rest;
          decay_carry<HAS_RESET>(total, rest, lane_decay[map], value);
        }
        const int next = n + STATES < N ? n + STATES : 0;
        const bool has_rate = in_range && next + fold_state < N;
        lane_rates[fold_state * LANES] = has_rate ? static_cast<float>(rates_in[next]) : 0.0f;
        total = folds && !is_last ? carry[carry_at] : 0.0f;
        rest = folds && !is_last ? carry[carry_at + plane] : 0.0f;
      } else if (fold == ADJOINT) {
#pragma clang loop unroll(full)
        for (int s = SLICES - 1; s >= 0; --s) {
          const int map = (fold_state * SLICES + s) * LANES;
          const float adjoint = lane_adjoint[map];
          lane_adjoint[map] = total + rest;
          decay_carry<HAS_RESET>(total, rest, lane_decay[map], adjoint);
        }
        sum_settle(total, rest);
        if (HAS_INITIAL_STATE && folds && tile == 0) {
          grad_initial_state[state + n + fold_state] = total;
        }
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      float h[STATES];
      float from_right[STATES];
      float rate_sum[STATES];
#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        h[k] = lane_value[(k * SLICES + slice) * LANES];
        from_right[k] = lane_adjoint[(k * SLICES + slice) * LANES];
        rate_sum[k] = 0.0f;
      }
      float before[STEPS][STATES];
      float sums[STEPS];
#pragma clang loop unroll(full)
      for (int i = 0; i < STEPS; ++i) {
        float parts[STATES];
#pragma clang loop unroll(full)
        for (int k = 0; k < STATES; ++k) {
          before[i][k] = h[k];
          h[k] = scan_apply<HAS_RESET>(gate[i][k], time[i] * input[i] * round_keys[i * WIDE + k], h[k]);
          parts[k] = grad[i] * h[k];
          if (HAS_Z) {
            sum[i] = fma(round_queries[i * WIDE + k], h[k], sum[i]);
          }
        }
        sums[i] = simd_sums<STATES, LANES / 2>(parts, lane);
      }
      const float grad_query = scan_sums<STEPS, LANES / 2 / STATES>(sums, lane);
#pragma clang loop unroll(full)
      for (int i = STEPS - 1; i >= 0; --i) {
        float parts[STATES];
#pragma clang loop unroll(full)
        for (int k = 0; k < STATES; ++k) {
          const float r = fma(round_queries[i * WIDE + k], grad[i], from_right[k]);
          from_right[k] = scan_apply<HAS_RESET>(gate[i][k], 0.0f, r);
          const float leak = HAS_RESET && gate[i][k] == 0.0f ? 0.0f : from_right[k] * before[i][k];
          by_key[i] = fma(r, round_keys[i * WIDE + k], by_key[i]);
          by_rate[i] = fma(leak, rate[k], by_rate[i]);
          rate_sum[k] = fma(leak, time[i], rate_sum[k]);
          parts[k] = r * time[i] * input[i];
        }
        sums[i] = simd_sums<STATES, LANES / 2>(parts, lane);
      }
      const float grad_key = scan_sums<STEPS, LANES / 2 / STATES>(sums, lane);
      if (lane % SAME == 0 && lane_step < steps && n + lane_state < N) {
        const long part = ((block * B_shape[0] * L + first) + lane_step) * N + n + lane_state;
        B_parts[part] = grad_key;
        C_parts[part] = grad_query;
      }

#pragma clang loop unroll(full)
      for (int k = 0; k < STATES; ++k) {
        lane_parts[(k * SLICES + slice) * LANES] = rate_sum[k];
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (fold == STATE) {
#pragma clang loop unroll(full)
        for (int s = 0; s < SLICES; ++s) {
          rest += lane_parts[(fold_state * SLICES + s) * LANES];
        }
        sum_settle(total, rest);
        if (folds && tile == 0) {
          A_parts[state + n + fold_state] = total;
          A_parts[B_shape[0] * plane + state + n + fold_state] = rest;
        }
      }
      if (folds) {
        carry[carry_at] = total;
        carry[carry_at + plane] = rest;
      }
    }

    // Fetched again, because registers do not hold them beside the states.
    float opened[STEPS];
    float grad_out[STEPS];
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const int row = i * channels;
      const bool live = HAS_Z && in_range && i < steps;
      opened[i] = live ? static_cast<float>(z[slice_at + row]) : 0.0f;
      grad_out[i] = live ? static_cast<float>(grad_y[slice_at + row]) : 0.0f;
    }
    float by_skip = 0.0f;
    float by_bias = 0.0f;
#pragma clang loop unroll(full)
    for (int i = 0; i < STEPS; ++i) {
      const int row = i * channels;
      if (in_range && i < steps) {
        const long at = slice_at + row;
        // The slope of softplus is 1 - e^-softplus.
        const float slope = SOFTPLUS ? -exp_minus_one(-time[i], metal::precise::exp(-time[i])) : 1.0f;
        const float by_delta = slope * fma(input[i], by_key[i], by_rate[i]);
        grad_u[at] = static_cast<U>(fma(time[i], by_key[i], skip * grad[i]));
        grad_delta[at] = static_cast<Delta>(by_delta);
        by_bias += by_delta;
        by_skip = fma(grad[i], input[i], by_skip);
        if (HAS_Z) {
          const float open = sigmoid(opened[i]);
          const float bend = open * fma(opened[i], 1.0f - open, 1.0f);
          grad_z[at] = static_cast<Z>(grad_out[i] * sum[i] * bend);
        }
      }
    }
    skip_rest += by_skip;
    bias_rest += by_bias;
    sum_settle(skip_sum, skip_rest);
    sum_settle(bias_sum, bias_rest);
  }

  threadgroup_barrier(mem_flags::mem_threadgroup);
  lane_decay[slice * LANES] = skip_sum;
  lane_value[slice * LANES] = skip_rest;
  lane_adjoint[slice * LANES] = bias_sum;
  lane_parts[slice * LANES] = bias_rest;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (in_range && slice == 0) {
#pragma clang loop unroll(full)
    for (int s = 1; s < SLICES; ++s) {
      skip_rest += lane_value[s * LANES] + lane_decay[s * LANES];
      bias_rest += lane_parts[s * LANES] + lane_adjoint[s * LANES];
      sum_settle(skip_sum, skip_rest);
      sum_settle(bias_sum, bias_rest);
    }
    const long part = batch * channels + channel;
    const long rests = static_cast<long>(B_shape[0]) * channels;
    D_parts[part] = skip_sum;
    D_parts[part + rests] = skip_rest;
    bias_parts[part] = bias_sum;
    bias_parts[part + rests] = bias_rest;
  }
}
