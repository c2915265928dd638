// short_conv backward: with z = bias + sum over i of weight[i] x[t-K+1+i] and d[t] = grad_y[t], times
// silu'(z) with SILU,
//   grad_x[t] = sum over i of weight[i] d[t+K-1-i], and grad_final_state for the last K - 1 steps,
//   grad_weight[i] = sum over t of d[t] x[t-K+1+i], grad_bias = sum over t of d[t],
// with no term across a reset. x, grad_y are [B, L, D], weight is [K, D]; grad_initial_state [B, K - 1, D] is
// the gradient of the inputs before the first step. Gu and Dao 2023, Mamba, arXiv:2312.00752, section 3.4.
//
// Time is cut into at most MOST parts of whole tiles. A thread owns STEPS steps of a channel in each tile of
// a part. It moves a window of K inputs over them and the K - 1 steps after them, and keeps the gradients of
// these inputs. It sums over time in two floats; MLX adds up the parts.
#include <metal_stdlib>

#include "../common/decay.h"
#include "../common/elementary.h"
#include "window.h"

using namespace metal;

template <
    typename T,
    typename W,
    typename Bias,
    int K,
    int LANES,
    int SLICES,
    int STEPS,
    int MOST,
    bool AHEAD,
    bool SILU,
    bool HAS_BIAS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void short_conv_backward(
    const device T* x,                     // [B, L, D]
    const device W* weight,                // [K, D]
    const device Bias* bias,               // [D]
    const device float* initial_state,     // [B, max(K, 1) - 1, D]
    const device bool* reset,              // [B, L]
    const device T* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, max(K, 1) - 1, D]
    device T* grad_x,                      // [B, L, D]
    device float* grad_initial_state,      // [B, max(K, 1) - 1, D]
    device float* weight_parts,            // [PARTS, B, K, D]
    device float* bias_parts,              // [PARTS, B, D]
    const constant int* x_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(K >= 2 && K <= 8, "a convolution must have 2 to 8 taps, which a thread keeps in registers");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  // As many inputs and gradients are on their way at once.
  constexpr int AT_ONCE = AHEAD ? STEPS + K - 1 : 1;
  threadgroup float sums[(K + 1) * SLICES * LANES];

  const int L = x_shape[1];
  const int D = x_shape[2];
  const int batches = x_shape[0];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int part = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int column = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = column < D;
  const long row = batch * L * D + column;
  const long state = batch * (K - 1) * D + column;
  const auto channel = conv_channel_of(
      x + row,
      initial_state + (HAS_INITIAL_STATE ? state : 0),
      reset + (HAS_RESET ? batch * L : 0),
      D,
      L,
      in_range);
  const auto grad_channel = conv_channel_of(grad_y + row, initial_state, reset, D, L, in_range);
  const int tiles = (L + TILE - 1) / TILE;
  const int turns = (tiles + MOST - 1) / MOST;

  float taps[K];
#pragma clang loop unroll(full)
  for (int i = 0; i < K; ++i) {
    taps[i] = in_range ? static_cast<float>(weight[i * D + column]) : 0.0f;
  }
  const float added = HAS_BIAS && in_range ? static_cast<float>(bias[column]) : 0.0f;
  float total[K + 1] = {};
  float rest[K + 1] = {};

  for (int turn = 0; turn < turns; ++turn) {
    const int first = ((part * turns + turn) * SLICES + slice) * STEPS;
    const int stop = first < L ? first + STEPS + K - 1 : first;
    conv_window<K> window;
    conv_begin<HAS_INITIAL_STATE, HAS_RESET>(window, channel, first);
    float grads[K] = {};  // of the inputs in the window
    for (int start = first; start < stop; start += AT_ONCE) {
      float inputs[AT_ONCE];
      float outputs[AT_ONCE];
      auto to = grad_x + row + static_cast<long>(start - K + 1) * D;
      if (AHEAD) {
        conv_inputs<HAS_INITIAL_STATE, K>(inputs, channel, start);
        conv_inputs<false, K>(outputs, grad_channel, start);
      }
      for (int i = 0; i < AT_ONCE; ++i) {
        const int t = start + i;
        const bool live = t < L;
        float grad = 0.0f;
        if (live) {
          if (!AHEAD) {
            conv_inputs<HAS_INITIAL_STATE, K>(inputs, channel, t);
            conv_inputs<false, K>(outputs, grad_channel, t);
          }
          conv_move<HAS_RESET>(window, channel, t, inputs[i]);
          grad = outputs[i];
          if (SILU) {
            const float z = conv_sum<K>(window, taps, added);
            const float open = sigmoid(z);
            grad *= open * (1.0f + z * (1.0f - open));
          }
        }
#pragma clang loop unroll(full)
        for (int tap = 0; tap < K; ++tap) {
          const float before = tap + 1 < K ? grads[tap + 1] : 0.0f;
          const bool seen = live && K - 1 - tap <= window.since;
          grads[tap] = seen ? fma(grad, taps[tap], before) : before;
          rest[tap] = live && t < first + STEPS ? fma(grad, window.at[tap], rest[tap]) : rest[tap];
        }
        rest[K] += live && t < first + STEPS ? grad : 0.0f;

        // The gradient of the input that leaves the window is complete but for the part from the final state.
        const int s = t - K + 1;
        const bool in_final_state = s > L - K && s < L && L - 1 - s <= window.since;
        const long last = state + static_cast<long>(s - L + K - 1) * D;
        const float grad_input = grads[0] + (in_final_state && in_range ? grad_final_state[last] : 0.0f);
        if (in_range && s >= first && s < L) {
          to[i * D] = static_cast<T>(grad_input);
        } else if (HAS_INITIAL_STATE && in_range && s < 0) {
          grad_initial_state[state + static_cast<long>(s + K - 1) * D] = grad_input;
        }
      }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i <= K; ++i) {
      sum_settle(total[i], rest[i]);
    }
  }

#pragma clang loop unroll(full)
  for (int i = 0; i <= K; ++i) {
    sums[(i * SLICES + slice) * LANES + lane] = total[i] + rest[i];
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const long parts = static_cast<long>(part) * batches + batch;
  for (int i = slice; i <= K; i += SLICES) {
    float sum = 0.0f;
    for (int s = 0; s < SLICES; ++s) {
      sum += sums[(i * SLICES + s) * LANES + lane];
    }
    if (in_range && i < K) {
      weight_parts[(parts * K + i) * D + column] = sum;
    } else if (in_range) {
      bias_parts[parts * D + column] = sum;
    }
  }
}
