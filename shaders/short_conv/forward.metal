// short_conv forward: y[t] = bias + weight[0] x[t-K+1] + ... + weight[K-1] x[t] for each channel, and silu of
// it with SILU. x, y are [B, L, D], weight [K, D], bias [D]; x[-K+1] ... x[-1] are initial_state [B, K - 1,
// D] or 0, and inputs before a reset count as 0. Gu and Dao 2023, Mamba, arXiv:2312.00752, section 3.4.
//
// A thread owns STEPS steps of a channel and moves a window of K inputs over them. LANES threads read a row
// together.
#include <metal_stdlib>

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
    bool AHEAD,
    bool SILU,
    bool HAS_BIAS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void short_conv_forward(
    const device T* x,                  // [B, L, D]
    const device W* weight,             // [K, D]
    const device Bias* bias,            // [D]
    const device float* initial_state,  // [B, max(K, 1) - 1, D]
    const device bool* reset,           // [B, L]
    device T* y,                        // [B, L, D]
    device float* final_state,          // [B, max(K, 1) - 1, D]
    const constant int* x_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(K >= 2 && K <= 8, "a convolution must have 2 to 8 taps, which a thread keeps in registers");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");

  // As many inputs are on their way at once.
  constexpr int AT_ONCE = AHEAD ? STEPS : 1;

  const int L = x_shape[1];
  const int D = x_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const long batch = threadgroup_position_in_grid.z;
  const int column = threadgroup_position_in_grid.x * LANES + lane;
  const int first = (threadgroup_position_in_grid.y * SLICES + slice) * STEPS;
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

  float taps[K];
#pragma clang loop unroll(full)
  for (int i = 0; i < K; ++i) {
    taps[i] = in_range ? static_cast<float>(weight[i * D + column]) : 0.0f;
  }
  const float added = HAS_BIAS && in_range ? static_cast<float>(bias[column]) : 0.0f;

  conv_window<K> window;
  conv_begin<HAS_INITIAL_STATE, HAS_RESET>(window, channel, first);
  for (int start = first; start < min(first + STEPS, L); start += AT_ONCE) {
    float inputs[AT_ONCE];
    conv_inputs<HAS_INITIAL_STATE, K>(inputs, channel, start);
    auto to = y + row + static_cast<long>(start) * D;
    for (int i = 0; i < AT_ONCE; ++i) {
      const int t = start + i;
      conv_move<HAS_RESET>(window, channel, t, inputs[i]);
      const float sum = conv_sum<K>(window, taps, added);
      if (in_range && t < L) {
        to[i * D] = static_cast<T>(SILU ? sum * sigmoid(sum) : sum);
      }
    }
  }
  if (in_range && first < L && first + STEPS >= L) {
    conv_begin<HAS_INITIAL_STATE, HAS_RESET>(window, channel, L);
#pragma clang loop unroll(full)
    for (int i = 0; i + 1 < K; ++i) {
      final_state[state + static_cast<long>(i) * D] = window.at[i + 1];
    }
  }
}
