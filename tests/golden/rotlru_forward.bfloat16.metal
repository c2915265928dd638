#line 1 "shaders/rotlru/forward.metal"






#include <metal_stdlib>

#line 1 "shaders/common/rotation.h"





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

#line 9 "shaders/common/rotation.h"



template <bool RESETS>
inline metal::float2 rotation_apply(metal::float2 z, metal::float2 b, metal::float2 h) {
  const float u = metal::fma(z.x, h.x, metal::fma(-z.y, h.y, b.x));
  const float w = metal::fma(z.x, h.y, metal::fma(z.y, h.x, b.y));
  const bool forgets = RESETS && z.x == 0.0f && z.y == 0.0f;
  return metal::float2(forgets ? b.x : u, forgets ? b.y : w);
}


template <bool RESETS>
inline metal::float2 rotation_apply_transposed(metal::float2 z, metal::float2 b, metal::float2 h) {
  return rotation_apply<RESETS>(metal::float2(z.x, -z.y), b, h);
}


inline metal::float2 rotation_inner(float a, float b, float c, float d) {
  const metal::float2 left = two_product(a, b);
  const metal::float2 right = two_product(c, d);
  const metal::float2 sum = two_sum(left.x, right.x);
  return metal::float2(sum.x, sum.y + (left.y + right.y));
}


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


inline metal::float4 rotation_rounded(metal::float4 h) {
  const metal::float2 u = two_floats(h.x, h.z);
  const metal::float2 w = two_floats(h.y, h.w);
  return metal::float4(u.x, w.x, u.y, w.y);
}


inline metal::float4 rotation_gate(float a, float cos, float sin) {
  const metal::float2 re = two_product(a, cos);
  const metal::float2 im = two_product(a, sin);
  return metal::float4(re.x, im.x, re.y, im.y);
}

inline float rotation_size(metal::float2 h) {
  return metal::fabs(h.x) + metal::fabs(h.y);
}


inline float rotation_slice(metal::float2 product, float smallest, float sizes) {
  const float walks = smallest < 1.2e-38f ? -INFINITY : INFINITY;
  return smallest >= 1.2e-38f && rotation_size(product) + sizes < INFINITY ? product.x : walks;
}


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

#line 10 "shaders/rotlru/forward.metal"

using namespace metal;

template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_forward_b9b110cc__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* cos [[buffer(2)]],
  const device bfloat16_t* sin [[buffer(3)]],
  const device bfloat16_t* b [[buffer(4)]],
  const device float* initial_state [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  device bfloat16_t* y [[buffer(7)]],
  device float* final_state [[buffer(8)]],
  device float* tile_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 35 "shaders/rotlru/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[6 * PLANE];

  const int L = a_shape[1];
  const int pairs = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int pair = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = pair < pairs;
  const int slot = slice * LANES + lane;
  const long state = 2 * (static_cast<long>(batch) * pairs + pair);
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;


  float4 carry = float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (HAS_INITIAL_STATE && in_range) {
    carry = float4(initial_state[state], initial_state[state + 1], 0.0f, 0.0f);
  }
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      const long saved = 2 * ((batch * tiles + tile) * pairs + pair);
      tile_state[saved] = carry.x;
      tile_state[saved + 1] = carry.y;
    }


    float size[STEPS];
    float gate_re[STEPS];
    float gate_im[STEPS];
    float value_u[STEPS];
    float value_w[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const long origin = first * pairs + pair - lane;
    const auto a_tile = a + origin;
    const auto cos_tile = cos + origin;
    const auto sin_tile = sin + origin;
    const auto b_tile = b + 2 * origin;
    const auto y_tile = y + 2 * origin;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const int at = i * pairs + lane;
      const bool turns = live && !(HAS_RESET && reset[first + i]);
      size[i] = turns ? static_cast<float>(a_tile[at]) : 1.0f;
      gate_re[i] = turns ? static_cast<float>(cos_tile[at]) : live ? 0.0f : 1.0f;
      gate_im[i] = turns ? static_cast<float>(sin_tile[at]) : 0.0f;
      value_u[i] = live ? static_cast<float>(b_tile[2 * at]) : 0.0f;
      value_w[i] = live ? static_cast<float>(b_tile[2 * at + 1]) : 0.0f;
    }

    float4 product = float4(1.0f, 0.0f, 0.0f, 0.0f);
    float smallest = INFINITY;
    float2 sum = float2(0.0f, 0.0f);
    for (int i = 0; i < STEPS; ++i) {
      const float4 gate = rotation_gate(size[i], gate_re[i], gate_im[i]);
      gate_re[i] = gate.x;
      gate_im[i] = gate.y;
      const float2 value = float2(value_u[i], value_w[i]);
      if (i == 0) {
        product = gate;
        sum = value;
      } else {
        product = rotation_multiply(gate, product);
        sum = rotation_apply<HAS_RESET>(gate.xy, value, sum);
      }
      const float reach = rotation_size(product.xy);
      smallest = reach < smallest ? reach : smallest;
    }
    maps[slot] = rotation_slice(product.xy, smallest, rotation_size(sum));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = product.z;
    maps[slot + 3 * PLANE] = product.w;
    maps[slot + 4 * PLANE] = sum.x;
    maps[slot + 5 * PLANE] = sum.y;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(row + L - begin));
    const long start = begin * pairs + pair;
    const auto whole =
        rotation_steps(a + start, cos + start, sin + start, b + 2 * start, reset + begin, pairs, count);
    const int folds = slice == 0 ? (count + STEPS - 1) / STEPS : 0;
    carry = rotation_fold<HAS_RESET, false, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 2 * PLANE, whole, folds, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float2 h = float2(maps[slot + 2 * PLANE], maps[slot + 3 * PLANE]);
    for (int i = 0; i < STEPS; ++i) {
      h = rotation_apply<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(value_u[i], value_w[i]), h);
      if (in_range && i < steps) {
        const int at = 2 * (i * pairs + lane);
        const float u = h.x;
        const float w = h.y;
        y_tile[at] = static_cast<T>(u);
        y_tile[at + 1] = static_cast<T>(w);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry.x;
    final_state[state + 1] = carry.y;
  }

}

template [[host_name("custom_kernel_rotlru_forward_b9b110cc__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_rotlru_forward_b9b110cc__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>) custom_kernel_rotlru_forward_b9b110cc__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>;
