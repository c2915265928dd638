// Rows of Dk keys whose lanes share them: lane l owns keys l, l + 32, ..., KEYS of them with those past Dk.
#pragma once

#include <metal_stdlib>

// Own keys of a row of `source` as float, 0 past Dk.
template <int Dk, int KEYS, typename Source>
METAL_FUNC void lane_keys_load(thread float (&row)[KEYS], Source source, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEYS; ++i) {
    const bool live = Dk % 32 == 0 || i * 32 + lane < Dk;
    row[i] = live ? static_cast<float>(source[i * 32 + lane]) : 0.0f;
  }
}

// Own gates of a step, one for all keys unless PER_KEY.
template <bool PER_KEY, int Dk, int KEYS, typename Source>
METAL_FUNC void lane_gates_load(thread float (&gate)[KEYS], Source source, int lane) {
  if (PER_KEY) {
    lane_keys_load<Dk, KEYS>(gate, source, lane);
  } else {
#pragma clang loop unroll(full)
    for (int i = 0; i < KEYS; ++i) {
      gate[i] = static_cast<float>(source[0]);
    }
  }
}

// Own keys to a row of `destination`, rounded to T.
template <typename T, int Dk, int KEYS, typename Destination>
METAL_FUNC void lane_keys_store(thread const float (&row)[KEYS], Destination destination, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEYS; ++i) {
    if (Dk % 32 == 0 || i * 32 + lane < Dk) {
      destination[i * 32 + lane] = static_cast<T>(row[i]);
    }
  }
}
