// Maps h -> a * h + b of a diagonal recurrence: how they act on a state and how they compose. A tile's steps
// are composed slice by slice; the maps of the slices lie in threadgroup memory, in planes of SLICES x LANES:
// the product of the gates in two floats, the value, and the value of the transposed map.
#pragma once

#include <metal_stdlib>

#include "two_floats.h"

// Apply the map (a, b) to the state h. With RESETS a gate of exactly 0 forgets h whatever it holds,
// infinity and NaN included, so one packed sequence cannot spoil the next.
template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}

// The same in two floats, of a gate that is not 0. An infinite state has NaN as its rest.
inline metal::float2 affine_apply_two(metal::float2 a, float b, metal::float2 h) {
  const metal::float2 moved = two_product(a.x, h.x);
  const float x = metal::fma(a.x, h.x, b);
  const float rest = moved.y + two_sum_rest(moved.x, b, x);
  return metal::float2(x, metal::fma(a.x, h.y, metal::fma(a.y, h.x, rest)));
}

// The product of gates and one more. With RESETS a product of 0 stays 0, even before a gate of NaN.
template <bool RESETS>
inline metal::float2 affine_product(metal::float2 product, float gate) {
  const metal::float2 next = two_product(product.x, gate);
  const bool forgets = RESETS && (gate == 0.0f || product.x == 0.0f);
  return metal::float2(forgets ? 0.0f : next.x, forgets ? 0.0f : metal::fma(product.y, gate, next.y));
}

// The product of a slice's gates, where the slice is a map of floats, whose values have magnitudes that add up
// to `sizes`. Infinity where it is none and a state must walk through its steps, -infinity where the product
// is 0 to a state that is not large.
inline float affine_slice(float product, float sizes) {
  const float size = metal::fabs(product);
  const float walks = size < 1.2e-38f ? -INFINITY : INFINITY;
  return size >= 1.2e-38f && size + sizes < INFINITY ? product : walks;
}

// The steps of a tile in one channel: `count` gates a and values b, `stride` apart.
template <typename A, typename B, typename Reset>
struct affine_tile {
  A a;
  B b;
  Reset reset;
  int stride;
  int count;
};

template <typename A, typename B, typename Reset>
inline affine_tile<A, B, Reset> affine_steps(A a, B b, Reset reset, int stride, int count) {
  return affine_tile<A, B, Reset>{a, b, reset, stride, count};
}

// The state h after the steps from `begin` to before `end`; TRANSPOSED before them, from last to first.
template <bool RESETS, bool TRANSPOSED, typename Tile>
inline float affine_walk(Tile tile, int begin, int end, float h) {
  const int steps = metal::min(end, tile.count) - begin;
  for (int i = 0; i < steps; ++i) {
    const int at = begin + (TRANSPOSED ? steps - 1 - i : i);
    const float gate = RESETS && tile.reset[at] ? 0.0f : static_cast<float>(tile.a[at * tile.stride]);
    const float value = static_cast<float>(tile.b[at * tile.stride]);
    h = TRANSPOSED ? affine_apply<RESETS>(gate, 0.0f, value + h) : affine_apply<RESETS>(gate, value, h);
  }
  return h;
}

// The state `h` sent through the first `slices` slices of a tile, TRANSPOSED from the last of them back. The
// value of each map gives way to the state that enters the slice. Without TWO_FLOATS h stays in one.
template <
    bool RESETS,
    bool TRANSPOSED,
    bool TWO_FLOATS,
    int LANES,
    int SLICES,
    int STEPS,
    typename Maps,
    typename Tile>
inline metal::float2 affine_fold(Maps maps, Tile tile, int slices, metal::float2 h) {
  constexpr int PLANE = SLICES * LANES;
  for (int i = 0; i < slices; ++i) {
    const int s = TRANSPOSED ? slices - 1 - i : i;
    const int at = s * LANES + (TRANSPOSED ? 3 : 2) * PLANE;
    const metal::float2 a = metal::float2(maps[s * LANES], maps[s * LANES + PLANE]);
    const float b = maps[at];
    const float entry = two_floats(h.x, h.y).x;
    maps[at] = entry;
    if (metal::fabs(a.x) < INFINITY) {
      if (TWO_FLOATS) {
        h = affine_apply_two(a, b, h);
      } else {
        h.x = affine_apply<RESETS>(a.x, b, entry);
      }
    } else {
      const bool leaps = a.x < 0.0f && !(metal::fabs(entry) > 1e3f);
      const float begin = leaps ? affine_apply<RESETS>(0.0f, b, entry) : entry;
      const int steps = leaps ? 0 : STEPS;
      h = metal::float2(affine_walk<RESETS, TRANSPOSED>(tile, s * STEPS, s * STEPS + steps, begin), 0.0f);
    }
  }
  return two_floats(h.x, h.y);
}
