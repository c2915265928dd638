// Maps h -> z * h + b on pairs (u, w) taken for the complex number u + i w: how they act and how they
// compose.
#pragma once

#include <metal_stdlib>

// Apply the map (z, b) to the pair h. With RESETS a gate of exactly 0 forgets h whatever it holds, infinity
// and NaN included, so one packed sequence cannot spoil the next.
template <bool RESETS>
inline metal::float2 rotation_apply(metal::float2 z, metal::float2 b, metal::float2 h) {
  const float u = metal::fma(z.x, h.x, metal::fma(-z.y, h.y, b.x));
  const float w = metal::fma(z.x, h.y, metal::fma(z.y, h.x, b.y));
  const bool forgets = RESETS && z.x == 0.0f && z.y == 0.0f;
  return metal::float2(forgets ? b.x : u, forgets ? b.y : w);
}

// The same with the conjugate of z, which is the transpose of the map: how gradients go back.
template <bool RESETS>
inline metal::float2 rotation_apply_transposed(metal::float2 z, metal::float2 b, metal::float2 h) {
  return rotation_apply<RESETS>(metal::float2(z.x, -z.y), b, h);
}

// The pair `h` sent through the maps of the slices from `first` to before `last`. A map is four numbers,
// `plane` apart: z and b; those of the slices lie `stride` apart.
template <bool RESETS, typename Maps>
inline metal::float2 rotation_fold(Maps maps, int plane, int stride, int first, int last, metal::float2 h) {
  for (int s = first; s < last; ++s) {
    const int at = s * stride;
    const auto z = metal::float2(maps[at], maps[at + plane]);
    const auto b = metal::float2(maps[at + 2 * plane], maps[at + 3 * plane]);
    h = rotation_apply<RESETS>(z, b, h);
  }
  return h;
}

// Through the transposed maps, from the slice before `last` back to `first`; b is the fifth and sixth plane.
template <bool RESETS, typename Maps>
inline metal::float2 rotation_fold_reverse(
    Maps maps, int plane, int stride, int first, int last, metal::float2 h) {
  for (int s = last - 1; s >= first; --s) {
    const int at = s * stride;
    const auto z = metal::float2(maps[at], maps[at + plane]);
    const auto b = metal::float2(maps[at + 4 * plane], maps[at + 5 * plane]);
    h = rotation_apply_transposed<RESETS>(z, b, h);
  }
  return h;
}
