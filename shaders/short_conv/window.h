// The window of a causal convolution of K taps: the inputs of the last K steps. A thread moves it over time.
#pragma once

#include <metal_stdlib>

// One channel of one sequence: its inputs, `stride` apart, the inputs before them, and its resets.
template <typename Inputs, typename Past, typename Reset>
struct conv_channel {
  Inputs x;
  Past past;
  Reset reset;
  int stride;
  int length;
  bool in_range;
};

template <typename Inputs, typename Past, typename Reset>
METAL_FUNC conv_channel<Inputs, Past, Reset> conv_channel_of(
    Inputs x, Past past, Reset reset, int stride, int length, bool in_range) {
  return conv_channel<Inputs, Past, Reset>{x, past, reset, stride, length, in_range};
}

// The inputs of the steps t - K + 1 to t, 0 before a reset, and the number of steps since the reset.
template <int K>
struct conv_window {
  float at[K];
  int since;
};

// A window before its first step, without a reset. The first step may be any from -K + 1 on.
template <int K>
METAL_FUNC void conv_clear(thread conv_window<K>& window) {
#pragma clang loop unroll(full)
  for (int i = 0; i < K; ++i) {
    window.at[i] = 0.0f;
  }
  window.since = K;
}

// The inputs of COUNT steps from `first` on, which are all on their way before the first is used. Steps below
// 0 are inputs of the past, and 0 stands for those that are not there.
template <bool HAS_PAST, int K, int COUNT, typename Channel>
METAL_FUNC void conv_inputs(thread float (&inputs)[COUNT], Channel channel, int first) {
  auto from = channel.x + static_cast<long>(first) * channel.stride;
#pragma clang loop unroll(full)
  for (int i = 0; i < COUNT; ++i) {
    const int t = first + i;
    inputs[i] = 0.0f;
    if (t < channel.length && channel.in_range && t >= 0) {
      inputs[i] = static_cast<float>(from[i * channel.stride]);
    } else if (HAS_PAST && t < 0 && channel.in_range) {
      inputs[i] = channel.past[(t + K - 1) * channel.stride];
    }
  }
}

// Moves the window on to step t with its input.
template <bool RESETS, int K, typename Channel>
METAL_FUNC void conv_move(thread conv_window<K>& window, Channel channel, int t, float input) {
  const bool live = t < channel.length;
  const bool forgets = RESETS && live && t >= 0 && channel.reset[t];
#pragma clang loop unroll(full)
  for (int i = 0; i + 1 < K; ++i) {
    window.at[i] = forgets ? 0.0f : window.at[i + 1];
  }
  window.at[K - 1] = input;
  window.since = forgets ? 0 : metal::min(window.since + live, K);
}

// Moves a new window over the steps before `first` that its convolution sees.
template <bool HAS_PAST, bool RESETS, int K, typename Channel>
METAL_FUNC void conv_begin(thread conv_window<K>& window, Channel channel, int first) {
  float inputs[K - 1];
  conv_inputs<HAS_PAST, K>(inputs, channel, first - K + 1);
  conv_clear(window);
#pragma clang loop unroll(full)
  for (int i = 0; i + 1 < K; ++i) {
    conv_move<RESETS>(window, channel, first - K + 1 + i, inputs[i]);
  }
}

// bias + sum over taps of weight * input.
template <int K>
METAL_FUNC float conv_sum(thread const conv_window<K>& window, thread const float (&weight)[K], float bias) {
  float sum = bias;
#pragma clang loop unroll(full)
  for (int i = 0; i < K; ++i) {
    sum = metal::fma(weight[i], window.at[i], sum);
  }
  return sum;
}
