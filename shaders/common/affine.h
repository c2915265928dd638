// Maps h -> a * h + b of a diagonal recurrence, their application to a state and their composition. The steps
// of a tile are composed slice by slice. The maps of the slices lie in threadgroup memory, in planes of
// SLICES x LANES: the product of the gates in two floats, the value, and the value of the transposed map.
#pragma once

#include <metal_stdlib>

#include "two_floats.h"

// Apply the map (a, b) to the state h. With RESETS a gate of exactly 0 discards h, even infinity and NaN, so
// that one packed sequence cannot spoil the next.
template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}

// The same in two floats, for a gate that is not 0. The second float of an infinite state is NaN.
inline metal::float2 affine_apply_two(metal::float2 a, float b, metal::float2 h) {
  const metal::float2 moved = two_product(a.x, h.x);
  const float x = metal::fma(a.x, h.x, b);
  const float rest = moved.y + two_sum_rest(moved.x, b, x);
  return metal::float2(x, metal::fma(a.x, h.y, metal::fma(a.y, h.x, rest)));
}

// The product of gates times one more gate, in two floats.
inline metal::float2 affine_product(metal::float2 product, float gate) {
  const metal::float2 next = two_product(product.x, gate);
  return metal::float2(next.x, metal::fma(product.y, gate, next.y));
}

// The product of a slice's gates; `smallest` is the smallest partial product, `sizes` the sum of the values'
// magnitudes. Returns infinity if floats cannot hold the slice's map, so that a state must walk through its
// steps, and -infinity if a reset, a 0 or underflow makes the product 0 for a state that is not large.
inline float affine_slice(float product, float smallest, float sizes) {
  const float walks = smallest < 1.2e-38f ? -INFINITY : INFINITY;
  return smallest >= 1.2e-38f && metal::fabs(product) + sizes < INFINITY ? product : walks;
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

// The state after the steps [begin, end), from h before them; TRANSPOSED the state before them, from h after
// them.
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

// The state after the first `slices` slices of a tile, from h; TRANSPOSED in reverse, from the last of them.
// The initial state of each slice goes to `entries`. Only TWO_FLOATS reads the second plane, which may be
// `entries`.
template <
    bool RESETS,
    bool TRANSPOSED,
    bool TWO_FLOATS,
    int LANES,
    int SLICES,
    int STEPS,
    typename Maps,
    typename Entries,
    typename Tile>
inline metal::float2 affine_fold(Maps maps, Entries entries, Tile tile, int slices, metal::float2 h) {
  constexpr int PLANE = SLICES * LANES;
  const auto values = maps + (TRANSPOSED ? 3 : 2) * PLANE;
  const float start = h.x;
  bool walks = false;
  for (int i = 0; i < slices; ++i) {
    const int s = (TRANSPOSED ? slices - 1 - i : i) * LANES;
    const metal::float2 a = metal::float2(maps[s], TWO_FLOATS ? maps[s + PLANE] : 0.0f);
    const float entry = TWO_FLOATS ? h.x + h.y : h.x;
    walks = walks || !(metal::fabs(a.x) + metal::fabs(entry) < INFINITY);
    entries[s] = entry;
    h = TWO_FLOATS ? affine_apply_two(a, values[s], h) : metal::float2(metal::fma(a.x, h.x, values[s]), 0.0f);
  }
  h = walks ? metal::float2(start, 0.0f) : two_floats(h.x, h.y);
  // A second pass if a map was not finite or a gate was 0. To a CPU a loop of no steps is cheaper than a
  // branch.
  const int again = walks ? slices : 0;
  for (int i = 0; i < again; ++i) {
    const int s = TRANSPOSED ? slices - 1 - i : i;
    const float a = maps[s * LANES];
    entries[s * LANES] = h.x;
    const bool leaps = a == -INFINITY && !(metal::fabs(h.x) > 1e3f);
    const bool passes = leaps || metal::fabs(a) < INFINITY;
    const float passed = affine_apply<RESETS>(leaps ? 0.0f : a, values[s * LANES], h.x);
    const int end = passes ? 0 : (s + 1) * STEPS;
    h.x = affine_walk<RESETS, TRANSPOSED>(tile, s * STEPS, end, passes ? passed : h.x);
  }
  return h;
}
