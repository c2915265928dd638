// Maps h -> a * h + b of a diagonal recurrence: how they act on a state and how they compose.
#pragma once

#include <metal_stdlib>

// Apply the map (a, b) to the state h. With RESETS a gate of exactly 0 forgets h whatever it holds,
// infinity and NaN included, so one packed sequence cannot spoil the next.
template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}

// The state that enters `slice`: `h` sent through the maps of all slices before it, oldest first.
// `a` and `b` hold one map a slice, `stride` apart.
template <bool RESETS, typename Maps>
inline float affine_fold(Maps a, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}

// The same from the end of the tile backwards, down to and including slice `first`.
template <bool RESETS, typename Maps>
inline float affine_fold_reverse(Maps a, Maps b, int stride, int slices, int first, float h) {
  for (int s = slices - 1; s >= first; --s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}
