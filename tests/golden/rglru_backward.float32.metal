#line 1 "shaders/rglru/backward.metal"






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

#line 10 "shaders/rglru/backward.metal"

using namespace metal;

template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_backward_d6a71fc6__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* b [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  const device float* tile_state [[buffer(4)]],
  const device float* grad_y [[buffer(5)]],
  const device float* grad_final_state [[buffer(6)]],
  device float* grad_a [[buffer(7)]],
  device float* grad_b [[buffer(8)]],
  device float* grad_initial_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 26 "shaders/rglru/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[5 * PLANE];

  const int L = a_shape[1];
  const int D = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;


  float2 carry = float2(in_range ? grad_final_state[state] : 0.0f, 0.0f);
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float gate[STEPS];
    float value[STEPS];
    float grad[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      gate[i] = live ? static_cast<float>(a[(first + i) * D + channel]) : 1.0f;
      value[i] = live ? static_cast<float>(b[(first + i) * D + channel]) : 0.0f;
      grad[i] = live ? static_cast<float>(grad_y[(first + i) * D + channel]) : 0.0f;
      if (HAS_RESET && live && reset[first + i]) {
        gate[i] = 0.0f;
      }
    }

    float2 product = float2(gate[0], 0.0f);
    float smallest = fabs(gate[0]);
    float sum = value[0];
    for (int i = 1; i < STEPS; ++i) {
      product = affine_product(product, gate[i]);
      const float size = fabs(product.x);
      smallest = size < smallest ? size : smallest;
      sum = affine_apply<HAS_RESET>(gate[i], value[i], sum);
    }
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      adjoint = affine_apply<HAS_RESET>(gate[i], 0.0f, grad[i] + adjoint);
    }
    maps[slot] = affine_slice(product.x, smallest, fabs(sum) + fabs(adjoint));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = sum;
    maps[slot + 3 * PLANE] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const auto a_tile = a + begin * D + channel;
    const int count = min(TILE, static_cast<int>(row + L - begin));
    const auto forwards = affine_steps(a_tile, b + begin * D + channel, reset + begin, D, count);
    const auto backwards = affine_steps(a_tile, grad_y + begin * D + channel, reset + begin, D, count);
    const int slices = (count + STEPS - 1) / STEPS;
    const float entry = in_range ? tile_state[(batch * tiles + tile) * D + channel] : 0.0f;
    affine_fold<HAS_RESET, false, false, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 4 * PLANE, forwards, slice == 1 ? slices : 0, float2(entry, 0.0f));
    carry = affine_fold<HAS_RESET, true, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + PLANE, backwards, slice == 0 ? slices : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float h = maps[slot + 4 * PLANE];
    float from_right = maps[slot + PLANE];

    for (int i = 0; i < STEPS; ++i) {
      const float previous = h;
      h = affine_apply<HAS_RESET>(gate[i], value[i], h);
      value[i] = previous;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const bool forgets = HAS_RESET && reset[first + i];
        grad_b[(first + i) * D + channel] = static_cast<T>(g);
        grad_a[(first + i) * D + channel] = static_cast<A>(forgets ? 0.0f : g * value[i]);
      }
      from_right = affine_apply<HAS_RESET>(gate[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry.x;
  }

}

template [[host_name("custom_kernel_rglru_backward_d6a71fc6__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_backward_d6a71fc6__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>) custom_kernel_rglru_backward_d6a71fc6__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>;
