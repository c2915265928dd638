// The operators of a scan, numbered as in loader/operators.py, and their derivatives.
#pragma once

#include <metal_stdlib>

#include "../common/affine.h"
#include "../common/elementary.h"

enum ScanOperator { SCAN_ADD, SCAN_MUL, SCAN_MAX, SCAN_MIN, SCAN_LOGADDEXP };

// The identity on the left of the operator.
template <int OP>
inline float scan_identity() {
  if (OP == SCAN_MUL) {
    return 1.0f;
  }
  if (OP == SCAN_MAX || OP == SCAN_LOGADDEXP) {
    return -INFINITY;
  }
  return OP == SCAN_MIN ? INFINITY : 0.0f;
}

// Whether max or min returns the earlier of two values: of equals and of NaNs it returns the first.
template <int OP>
inline bool scan_keeps(float earlier, float later) {
  return (OP == SCAN_MAX ? earlier >= later : earlier <= later) || metal::isnan(earlier);
}

// log(1 + x) for x >= 0.
inline float scan_log_one_plus(float x) {
  return x > 1.0f ? metal::precise::log(1.0f + x) : log_one_plus(x);
}

// e^-|a - b|; 1 for two equal infinities.
inline float scan_exp_gap(float a, float b) {
  return a == b ? 1.0f : metal::precise::exp(-metal::fabs(a - b));
}

template <int OP>
inline float scan_combine(float earlier, float later) {
  if (OP == SCAN_MUL) {
    return earlier * later;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    return scan_keeps<OP>(earlier, later) ? earlier : later;
  }
  if (OP == SCAN_LOGADDEXP) {
    return metal::max(earlier, later) + log_one_plus(scan_exp_gap(earlier, later));
  }
  return earlier + later;
}

// d combine(earlier, later) / d earlier in two floats. For logaddexp it is the earlier value's share,
// computed from the smaller share; 1 if both are the same infinity.
template <int OP>
inline metal::float2 scan_by_earlier(float earlier, float later) {
  float x = 1.0f;
  float y = 0.0f;
  if (OP == SCAN_MUL) {
    x = later;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    x = scan_keeps<OP>(earlier, later) ? 1.0f : 0.0f;
  }
  if (OP == SCAN_LOGADDEXP && !(earlier == later && metal::isinf(earlier))) {
    const float gap = scan_exp_gap(earlier, later);
    const float share = gap / (1.0f + gap);
    x = earlier < later ? share : 1.0f - share;
    y = earlier < later ? 0.0f : (1.0f - x) - share;
  }
  return metal::float2(x, y);
}

// d combine(earlier, later) / d later.
template <int OP>
inline float scan_by_later(float earlier, float later) {
  if (OP == SCAN_MUL) {
    return earlier;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    return scan_keeps<OP>(earlier, later) ? 0.0f : 1.0f;
  }
  return OP == SCAN_LOGADDEXP ? scan_by_earlier<OP>(later, earlier).x : 1.0f;
}

// The product of derivatives with respect to the earlier value and one more, `keep`. A product of 0 stays 0.
template <int OP>
inline metal::float2 scan_product(metal::float2 product, metal::float2 keep) {
  if (OP != SCAN_MUL && OP != SCAN_LOGADDEXP) {
    return metal::float2(affine_apply<true>(keep.x, 0.0f, product.x), 0.0f);
  }
  const metal::float2 next = affine_product(product, keep.x);
  const float rest = OP == SCAN_LOGADDEXP ? metal::fma(product.x, keep.y, next.y) : next.y;
  const bool forgets = product.x == 0.0f || keep.x == 0.0f;
  return metal::float2(forgets ? 0.0f : next.x, forgets ? 0.0f : rest);
}

// The combination of a slice's steps, without loss of digits: a product in two floats, a logaddexp as its
// largest value x and y with x + log(1 + y).
template <int OP>
inline metal::float2 scan_extend(metal::float2 total, float value) {
  if (OP == SCAN_MUL) {
    return affine_product(total, value);
  }
  if (OP == SCAN_LOGADDEXP) {
    const float gap = scan_exp_gap(total.x, value);
    const float rest = total.x >= value ? total.y + gap : (1.0f + total.y) * gap;
    return metal::float2(metal::max(total.x, value), rest);
  }
  return metal::float2(scan_combine<OP>(total.x, value), 0.0f);
}

// `before` combined with such a total; sums and products in two floats.
template <int OP>
inline metal::float2 scan_append(metal::float2 before, metal::float2 total) {
  if (OP == SCAN_ADD) {
    const metal::float2 sum = two_sum(before.x, total.x);
    return metal::float2(sum.x, sum.y + before.y);
  }
  if (OP == SCAN_MUL) {
    const metal::float2 product = two_product(before.x, total.x);
    const float rest = metal::fma(before.x, total.y, metal::fma(before.y, total.x, product.y));
    return metal::float2(product.x, rest);
  }
  if (OP == SCAN_LOGADDEXP) {
    const bool above = before.x >= total.x;
    const float gap = metal::fabs(before.x - total.x) + (above ? before.y : -before.y);
    const float share = before.x == total.x ? 1.0f : metal::precise::exp(-gap);
    const float rest = above ? (1.0f + total.y) * share : total.y + share;
    const metal::float2 sum = two_sum(metal::max(before.x, total.x), scan_log_one_plus(rest));
    return two_floats(sum.x, sum.y + (above ? before.y : 0.0f));
  }
  return metal::float2(scan_combine<OP>(before.x, total.x), 0.0f);
}

// `value` combined with the steps [begin, end), `stride` apart.
template <int OP, typename Values>
inline float scan_walk(Values x, int stride, int begin, int end, float value) {
  for (int i = begin; i < end; ++i) {
    value = scan_combine<OP>(value, static_cast<float>(x[i * stride]));
  }
  return value;
}

// A slice's total for scan_fold. Without a reset in the slice, a product that is 0 or outside of float's
// range is marked, as in affine_slice: scan_fold then walks through the slice's steps.
template <int OP>
inline float scan_slice(float total, float smallest, bool forgets) {
  return OP == SCAN_MUL && !forgets ? affine_slice(total, smallest, 0.0f) : total;
}

// The value after the slices of a tile, from `h`; the tile's `count` steps are x. A slice that `forgets` has
// a reset: its total does not depend on earlier slices. Each slice's initial value replaces the second plane
// of the totals.
template <
    int OP,
    bool RESETS,
    int LANES,
    int SLICES,
    int STEPS,
    typename Totals,
    typename Forgets,
    typename Values>
inline metal::float2 scan_fold(
    Totals totals, Forgets forgets, Values x, int stride, int count, metal::float2 h) {
  constexpr int PLANE = SLICES * LANES;
  constexpr bool WALKS = OP == SCAN_ADD || OP == SCAN_MUL;
  const float start = h.x;
  bool walks = false;
  for (int s = 0; s * STEPS < count; ++s) {
    const metal::float2 total = metal::float2(totals[s * LANES], totals[s * LANES + PLANE]);
    const bool alone = RESETS && forgets[s * LANES];
    walks = walks || alone || !(metal::fabs(total.x) < INFINITY);
    totals[s * LANES + PLANE] = two_floats(h.x, h.y).x;
    h = scan_append<OP>(metal::float2(alone ? scan_identity<OP>() : h.x, alone ? 0.0f : h.y), total);
  }
  h = WALKS && walks ? metal::float2(start, 0.0f) : two_floats(h.x, h.y);
  // The second pass of affine_fold.
  const int again = WALKS && walks ? count : 0;
  for (int s = 0; s * STEPS < again; ++s) {
    const float total = totals[s * LANES];
    const bool alone = RESETS && forgets[s * LANES];
    totals[s * LANES + PLANE] = h.x;
    const bool leaps = OP == SCAN_MUL && total == -INFINITY && !(metal::fabs(h.x) > 1e3f);
    const bool passes = alone || leaps || metal::fabs(total) < INFINITY;
    const float passed = scan_combine<OP>(h.x, leaps ? 0.0f : total);
    const int end = passes ? 0 : metal::min((s + 1) * STEPS, count);
    h.x = scan_walk<OP>(x, stride, s * STEPS, end, alone ? total : passes ? passed : h.x);
  }
  return h;
}

// The adjoint before the slices of a tile, from `g` after them, as in affine_fold; each slice's goes to the
// second plane. Gates of all operators but mul are at most 1, so their slices need no walk.
template <int OP, int LANES, int SLICES, int STEPS, typename Maps, typename Forgets, typename Tile>
inline metal::float2 scan_fold_back(Maps maps, Forgets forgets, Tile tile, int slices, metal::float2 g) {
  constexpr int PLANE = SLICES * LANES;
  const float start = g.x;
  bool walks = false;
  for (int s = (slices - 1) * LANES; s >= 0; s -= LANES) {
    const metal::float2 keep = metal::float2(maps[s], maps[s + PLANE]);
    const float adjoint = maps[s + 3 * PLANE];
    const float entry = two_floats(g.x, g.y).x;
    walks = walks || !(metal::fabs(keep.x) + metal::fabs(entry) < INFINITY);
    maps[s + PLANE] = entry;
    g = affine_apply_two(keep, adjoint, g);
    g.x = keep.x == 0.0f ? adjoint : g.x;
    g.y = keep.x == 0.0f ? 0.0f : g.y;
  }
  g = OP == SCAN_MUL && walks ? metal::float2(start, 0.0f) : two_floats(g.x, g.y);
  const int again = OP == SCAN_MUL && walks ? slices : 0;
  for (int i = again - 1; i >= 0; --i) {
    const int s = i * LANES;
    const float keep = maps[s];
    maps[s + PLANE] = g.x;
    const bool leaps = forgets[s] || (keep == -INFINITY && !(metal::fabs(g.x) > 1e3f));
    const bool passes = leaps || metal::fabs(keep) < INFINITY;
    const float passed = affine_apply<true>(leaps ? 0.0f : keep, maps[s + 3 * PLANE], g.x);
    g.x = affine_walk<false, true>(tile, i * STEPS, passes ? 0 : (i + 1) * STEPS, passes ? passed : g.x);
  }
  return g;
}
