// Maps h -> z * h + b of complex numbers u + i w, stored as pairs (u, w), and their composition. The steps of
// a tile are composed slice by slice. The maps of the slices lie in threadgroup memory, in planes of SLICES x
// LANES: the product of the gates in two floats, b, and b of the transposed map, two planes each.
#pragma once

#include <metal_stdlib>

#include "two_floats.h"

// Apply the map (z, b) to the pair h. With RESETS a gate of exactly 0 discards h, even infinity and NaN, so
// that one packed sequence cannot spoil the next.
template <bool RESETS>
inline metal::float2 rotation_apply(metal::float2 z, metal::float2 b, metal::float2 h) {
  const float u = metal::fma(z.x, h.x, metal::fma(-z.y, h.y, b.x));
  const float w = metal::fma(z.x, h.y, metal::fma(z.y, h.x, b.y));
  const bool forgets = RESETS && z.x == 0.0f && z.y == 0.0f;
  return metal::float2(forgets ? b.x : u, forgets ? b.y : w);
}

// The same with the conjugate of z, the transpose of the map, for gradients.
template <bool RESETS>
inline metal::float2 rotation_apply_transposed(metal::float2 z, metal::float2 b, metal::float2 h) {
  return rotation_apply<RESETS>(metal::float2(z.x, -z.y), b, h);
}

// a * b + c * d in two floats.
inline metal::float2 rotation_inner(float a, float b, float c, float d) {
  const metal::float2 left = two_product(a, b);
  const metal::float2 right = two_product(c, d);
  const metal::float2 sum = two_sum(left.x, right.x);
  return metal::float2(sum.x, sum.y + (left.y + right.y));
}

// A pair in two floats holds u, w and their second floats. The product of two such numbers:
inline metal::float4 rotation_multiply(metal::float4 z, metal::float4 h) {
  const metal::float2 u = rotation_inner(z.x, h.x, -z.y, h.y);
  const metal::float2 w = rotation_inner(z.x, h.y, z.y, h.x);
  const metal::float2 rest = rotation_apply<false>(z.zw, metal::float2(u.y, w.y), h.xy);
  const metal::float2 more = rotation_apply<false>(z.xy, rest, h.zw);
  return metal::float4(u.x, w.x, more.x, more.y);
}

inline metal::float4 rotation_add(metal::float4 h, metal::float2 b) {
  const metal::float2 u = two_sum(h.x, b.x);
  const metal::float2 w = two_sum(h.y, b.y);
  return metal::float4(u.x, w.x, h.z + u.y, h.w + w.y);
}

// The same number with u and w rounded to the nearest floats.
inline metal::float4 rotation_rounded(metal::float4 h) {
  const metal::float2 u = two_floats(h.x, h.z);
  const metal::float2 w = two_floats(h.y, h.w);
  return metal::float4(u.x, w.x, u.y, w.y);
}

// The gate a * (cos + i sin).
inline metal::float4 rotation_gate(float a, float cos, float sin) {
  const metal::float2 re = two_product(a, cos);
  const metal::float2 im = two_product(a, sin);
  return metal::float4(re.x, im.x, re.y, im.y);
}

inline float rotation_size(metal::float2 h) {
  return metal::fabs(h.x) + metal::fabs(h.y);
}

// The first float of the product of a slice's gates, or infinity or -infinity, as affine_slice returns them.
inline float rotation_slice(metal::float2 product, float smallest, float sizes) {
  const float walks = smallest < 1.2e-38f ? -INFINITY : INFINITY;
  return smallest >= 1.2e-38f && rotation_size(product) + sizes < INFINITY ? product.x : walks;
}

// The steps of a tile in one pair: `count` gates a * (cos + i sin), `stride` apart, and the pairs b.
template <typename A, typename C, typename S, typename B, typename Reset>
struct rotation_tile {
  A a;
  C cos;
  S sin;
  B b;
  Reset reset;
  int stride;
  int count;
};

template <typename A, typename C, typename S, typename B, typename Reset>
inline rotation_tile<A, C, S, B, Reset> rotation_steps(
    A a, C cos, S sin, B b, Reset reset, int stride, int count) {
  return rotation_tile<A, C, S, B, Reset>{a, cos, sin, b, reset, stride, count};
}

// The pair after the steps [begin, end), from h before them; TRANSPOSED the pair before them, from h after
// them.
template <bool RESETS, bool TRANSPOSED, typename Tile>
inline metal::float2 rotation_walk(Tile tile, int begin, int end, metal::float2 h) {
  const int steps = metal::min(end, tile.count) - begin;
  for (int i = 0; i < steps; ++i) {
    const int step = begin + (TRANSPOSED ? steps - 1 - i : i);
    const int at = step * tile.stride;
    const bool forgets = RESETS && tile.reset[step];
    const float a = static_cast<float>(tile.a[at]);
    const float re = forgets ? 0.0f : a * static_cast<float>(tile.cos[at]);
    const float im = forgets ? 0.0f : a * static_cast<float>(tile.sin[at]);
    const metal::float2 z = metal::float2(re, im);
    const auto b = metal::float2(static_cast<float>(tile.b[2 * at]), static_cast<float>(tile.b[2 * at + 1]));
    if (TRANSPOSED) {
      h = rotation_apply_transposed<RESETS>(z, metal::float2(0.0f, 0.0f), b + h);
    } else {
      h = rotation_apply<RESETS>(z, b, h);
    }
  }
  return h;
}

// The pair after the first `slices` slices of a tile, from h; TRANSPOSED in reverse, from the last of them.
// The initial pair of each slice goes to the two planes `entries`. Only TWO_FLOATS reads the third and fourth
// plane, which may be `entries`.
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
inline metal::float4 rotation_fold(Maps maps, Entries entries, Tile tile, int slices, metal::float4 h) {
  constexpr int PLANE = SLICES * LANES;
  const metal::float2 zero = metal::float2(0.0f, 0.0f);
  const auto values = maps + (TRANSPOSED ? 6 : 4) * PLANE;
  const float sign = TRANSPOSED ? -1.0f : 1.0f;
  const metal::float2 start = h.xy;
  bool walks = false;
  for (int i = 0; i < slices; ++i) {
    const int s = (TRANSPOSED ? slices - 1 - i : i) * LANES;
    const metal::float2 z = metal::float2(maps[s], sign * maps[s + PLANE]);
    const metal::float2 b = metal::float2(values[s], values[s + PLANE]);
    const float size = rotation_size(h.xy);
    walks = walks || !(metal::fabs(z.x) + size < INFINITY);
    if (TWO_FLOATS) {
      const float re_rest = maps[s + 2 * PLANE];
      const float im_rest = sign * maps[s + 3 * PLANE];
      entries[s] = h.x;
      entries[s + PLANE] = h.y;
      h = rotation_add(rotation_multiply(metal::float4(z.x, z.y, re_rest, im_rest), h), b);
    } else {
      entries[s] = h.x;
      entries[s + PLANE] = h.y;
      const metal::float2 next = rotation_apply<false>(z, b, h.xy);
      h = metal::float4(next.x, next.y, 0.0f, 0.0f);
    }
  }
  h = rotation_rounded(h);
  metal::float2 pair = walks ? start : h.xy;
  // A second pass if a map was not finite or a gate was 0. To a CPU a loop of no steps is cheaper than a
  // branch.
  const int again = walks ? slices : 0;
  for (int i = 0; i < again; ++i) {
    const int slice = TRANSPOSED ? slices - 1 - i : i;
    const int s = slice * LANES;
    const metal::float2 z = metal::float2(maps[s], sign * maps[s + PLANE]);
    entries[s] = pair.x;
    entries[s + PLANE] = pair.y;
    const float size = rotation_size(pair);
    const bool leaps = z.x == -INFINITY && !(size > 1e3f);
    const bool passes = leaps || metal::fabs(z.x) < INFINITY;
    const metal::float2 b = metal::float2(values[s], values[s + PLANE]);
    const metal::float2 passed = rotation_apply<RESETS>(leaps ? zero : z, b, pair);
    const int end = passes ? 0 : (slice + 1) * STEPS;
    pair = rotation_walk<RESETS, TRANSPOSED>(tile, slice * STEPS, end, passes ? passed : pair);
  }
  return metal::float4(pair.x, pair.y, walks ? 0.0f : h.z, walks ? 0.0f : h.w);
}
