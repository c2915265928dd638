#line 1 "shaders/associative_scan/forward.metal"






#include <metal_stdlib>

#line 1 "shaders/associative_scan/operators.h"




#include <metal_stdlib>

#line 1 "shaders/common/affine.h"





#include <metal_stdlib>

#line 1 "shaders/common/two_floats.h"




#include <metal_stdlib>


inline float two_sum_rest(float a, float b, float sum) {
  const float added = sum - a;
  return (a - (sum - added)) + (b - added);
}

inline metal::float2 two_sum(float a, float b) {
  const float sum = a + b;
  return metal::float2(sum, two_sum_rest(a, b, sum));
}

inline metal::float2 two_product(float a, float b) {
  const float product = a * b;
  return metal::float2(product, metal::fma(a, b, -product));
}


inline metal::float2 two_floats(float x, float y) {
  const float sum = x + y;
  const bool finite = metal::isfinite(sum);
  return metal::float2(finite ? sum : x, finite ? (x - sum) + y : 0.0f);
}

#line 9 "shaders/common/affine.h"



template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}


inline metal::float2 affine_apply_two(metal::float2 a, float b, metal::float2 h) {
  const metal::float2 moved = two_product(a.x, h.x);
  const float x = metal::fma(a.x, h.x, b);
  const float rest = moved.y + two_sum_rest(moved.x, b, x);
  return metal::float2(x, metal::fma(a.x, h.y, metal::fma(a.y, h.x, rest)));
}


inline metal::float2 affine_product(metal::float2 product, float gate) {
  const metal::float2 next = two_product(product.x, gate);
  return metal::float2(next.x, metal::fma(product.y, gate, next.y));
}




inline float affine_slice(float product, float smallest, float sizes) {
  const float walks = smallest < 1.2e-38f ? -INFINITY : INFINITY;
  return smallest >= 1.2e-38f && metal::fabs(product) + sizes < INFINITY ? product : walks;
}


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

#line 8 "shaders/associative_scan/operators.h"
#line 1 "shaders/common/elementary.h"



#include <metal_stdlib>


inline float exp_minus_one(float x, float exp_x) {
  float series = 1.0f / 3628800.0f;
  series = metal::fma(series, x, 1.0f / 362880.0f);
  series = metal::fma(series, x, 1.0f / 40320.0f);
  series = metal::fma(series, x, 1.0f / 5040.0f);
  series = metal::fma(series, x, 1.0f / 720.0f);
  series = metal::fma(series, x, 1.0f / 120.0f);
  series = metal::fma(series, x, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.6931472f ? series : exp_x - 1.0f;
}


inline float log_one_plus(float x) {
  const float ratio = x / (2.0f + x);
  const float square = ratio * ratio;
  float series = 1.0f / 15.0f;
  series = metal::fma(series, square, 1.0f / 13.0f);
  series = metal::fma(series, square, 1.0f / 11.0f);
  series = metal::fma(series, square, 1.0f / 9.0f);
  series = metal::fma(series, square, 1.0f / 7.0f);
  series = metal::fma(series, square, 1.0f / 5.0f);
  series = metal::fma(series, square, 1.0f / 3.0f);
  series = metal::fma(series, square, 1.0f);
  return 2.0f * ratio * series;
}


inline float softplus(float x) {
  return metal::max(x, 0.0f) + log_one_plus(metal::exp(-metal::abs(x)));
}

inline float sigmoid(float x) {
  return 1.0f / (1.0f + metal::exp(-x));
}

#line 9 "shaders/associative_scan/operators.h"

enum ScanOperator { SCAN_ADD, SCAN_MUL, SCAN_MAX, SCAN_MIN, SCAN_LOGADDEXP };


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


template <int OP>
inline bool scan_keeps(float earlier, float later) {
  return (OP == SCAN_MAX ? earlier >= later : earlier <= later) || metal::isnan(earlier);
}


inline float scan_log_one_plus(float x) {
  return x > 1.0f ? metal::log(1.0f + x) : log_one_plus(x);
}


inline float scan_exp_gap(float a, float b) {
  return a == b ? 1.0f : metal::exp(-metal::fabs(a - b));
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
    const float share = before.x == total.x ? 1.0f : metal::exp(-gap);
    const float rest = above ? (1.0f + total.y) * share : total.y + share;
    const metal::float2 sum = two_sum(metal::max(before.x, total.x), scan_log_one_plus(rest));
    return two_floats(sum.x, sum.y + (above ? before.y : 0.0f));
  }
  return metal::float2(scan_combine<OP>(before.x, total.x), 0.0f);
}


template <int OP, typename Values>
inline float scan_walk(Values x, int stride, int begin, int end, float value) {
  for (int i = begin; i < end; ++i) {
    value = scan_combine<OP>(value, static_cast<float>(x[i * stride]));
  }
  return value;
}



template <int OP>
inline float scan_slice(float total, float smallest, bool forgets) {
  return OP == SCAN_MUL && !forgets ? affine_slice(total, smallest, 0.0f) : total;
}



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

#line 10 "shaders/associative_scan/forward.metal"

using namespace metal;

template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_forward_55cff2ca__float_0_0_32_16_8_1_1_float_float_bool_float_float_float(
  const device float* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device float* initial_state [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  device float* y [[buffer(4)]],
  device float* final_state [[buffer(5)]],
  device float* tile_state [[buffer(6)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 31 "shaders/associative_scan/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float totals[2 * PLANE];
  threadgroup bool slice_forgets[PLANE];

  const int L = x_shape[1];
  const int D = x_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;

  const long origin = static_cast<long>(batch) * L + (REVERSE ? L - 1 : 0);
  const int direction = REVERSE ? -1 : 1;
  const long tiles = (L + TILE - 1) / TILE;


  float2 carry = float2(HAS_INITIAL_STATE && in_range ? initial_state[state] : scan_identity<OP>(), 0.0f);
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry.x;
    }


    float value[STEPS];
    bool fresh[STEPS];
    const long first = tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long row = origin + direction * (first + i);
      value[i] = live ? static_cast<float>(x[row * D + channel]) : scan_identity<OP>();
      fresh[i] = HAS_RESET && live && reset[row];
    }

    float2 total = float2(value[0], 0.0f);
    float smallest = fabs(value[0]);
    bool forgets = fresh[0];
    for (int i = 1; i < STEPS; ++i) {
      if (fresh[i]) {
        total = float2(value[i], 0.0f);
      } else {
        total = scan_extend<OP>(total, value[i]);
      }
      const float size = fabs(total.x);
      smallest = size < smallest ? size : smallest;
      forgets = forgets || fresh[i];
    }
    totals[slot] = scan_slice<OP>(total.x, smallest, forgets);
    totals[slot + PLANE] = total.y;
    slice_forgets[slot] = forgets;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(L - tile * TILE));
    const auto x_tile = x + (origin + direction * (tile * TILE)) * D + channel;
    carry = scan_fold<OP, HAS_RESET, LANES, SLICES, STEPS>(
        totals + lane, slice_forgets + lane, x_tile, direction * D, slice == 0 ? count : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = totals[slot + PLANE];
    for (int i = 0; i < STEPS; ++i) {
      h = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      if (in_range && i < steps) {
        y[(origin + direction * (first + i)) * D + channel] = static_cast<T>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
  }

}

template [[host_name("custom_kernel_associative_scan_forward_55cff2ca__float_0_0_32_16_8_1_1_float_float_bool_float_float_float")]] [[kernel]] decltype(custom_kernel_associative_scan_forward_55cff2ca__float_0_0_32_16_8_1_1_float_float_bool_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_forward_55cff2ca__float_0_0_32_16_8_1_1_float_float_bool_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>;
