#line 1 "shaders/gla/recurrent.metal"






#include <metal_stdlib>

#line 1 "shaders/common/gates.h"




#include <metal_stdlib>

#line 1 "shaders/common/tile.h"





#include <metal_stdlib>

constexpr constant int TILE = 32;
constexpr constant int TILE_BLOCKS = TILE / 8;

constexpr constant int TILE_STRIDE = 36;


template <typename Tile, typename Source>
inline void tile_load(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    int simdgroup,
    int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const bool live = row >= begin && row < end && lane < columns;
    tile[row * TILE_STRIDE + lane] = live ? factor * static_cast<float>(source[row * stride + lane]) : 0.0f;
  }
}


template <typename Source>
inline void tile_fetch(
    thread float (&rows)[8],
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = simdgroup * 8 + i;
    const bool live = row >= begin && row < end && lane < columns;
    rows[i] = live ? static_cast<float>(source[row * stride + lane]) : 0.0f;
  }
}


template <typename T, typename Tile, typename Destination>
inline void tile_store(
    Tile tile,
    Destination destination,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    if (row >= begin && row < end && lane < columns) {
      destination[row * stride + lane] = static_cast<T>(tile[row * TILE_STRIDE + lane]);
    }
  }
}


template <bool TRANSPOSED, typename Tile>
inline metal::simdgroup_float8x8 tile_matrix(Tile tile, int row, int column) {
  metal::simdgroup_float8x8 m;
  const int at = TRANSPOSED ? column * 8 * TILE_STRIDE + row * 8 : row * 8 * TILE_STRIDE + column * 8;
  metal::simdgroup_load(m, tile + at, TILE_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  return m;
}

inline void tile_clear(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS]) {
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    sum[c] = metal::simdgroup_float8x8(0.0f);
  }
}


template <bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED, typename Left, typename Right>
inline void tile_product(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Left left,
    Right right,
    int row,
    int first,
    int last) {
  for (int inner = first; inner < last; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<LEFT_TRANSPOSED>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      const metal::simdgroup_float8x8 b = tile_matrix<RIGHT_TRANSPOSED>(right, inner, c);
      metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
    }
  }
}


template <bool TRANSPOSED, typename Left, typename State>
inline void tile_product_state(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Left left,
    State state,
    int stride,
    int inners,
    int columns,
    int row) {
  for (int inner = 0; inner < metal::min(inners, TILE_BLOCKS); ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (c < columns) {
        metal::simdgroup_float8x8 b;
        const int at = TRANSPOSED ? c * 8 * stride + inner * 8 : inner * 8 * stride + c * 8;
        metal::simdgroup_load(b, state + at, stride, metal::ulong2(0, 0), TRANSPOSED);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}


template <typename Tile>
inline void tile_put(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile tile, int row) {
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    metal::simdgroup_store(sum[c], tile + row * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
  }
}


template <typename Tile>
inline void tile_put_column(thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile tile, int column) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    metal::simdgroup_store(sum[r], tile + r * 8 * TILE_STRIDE + column * 8, TILE_STRIDE);
  }
}



template <typename Tile, typename Weights>
inline void tile_weigh(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    thread metal::simdgroup_float8x8& grad,
    Tile other,
    Weights weights,
    int row) {
  metal::simdgroup_float8x8 weight;
  metal::simdgroup_load(weight, weights + row * 64, 8);
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; ++c) {
    metal::simdgroup_float8x8 factor = tile_matrix<false>(other, row, c);
    grad.thread_elements() += factor.thread_elements() * sum[c].thread_elements();
    sum[c].thread_elements() *= weight.thread_elements();
  }
}

#line 8 "shaders/common/gates.h"


template <bool RESETS>
inline float decayed(float product, float gate) {
  return RESETS && gate == 0.0f ? 0.0f : product * gate;
}

template <bool PER_KEY, typename Gates>
inline float gate_at(Gates gates, int row, int lane) {
  return gates[PER_KEY ? row * TILE_STRIDE + lane : row];
}



template <bool PER_KEY, bool RESETS, typename Gates, typename Source, typename Reset>
inline void gates_load(
    Gates gates,
    Source g,
    int stride,
    int columns,
    Reset reset,
    int begin,
    int end,
    int steps,
    int simdgroup,
    int lane) {
  for (int i = simdgroup; i < (PER_KEY ? TILE : 1); i += TILE_BLOCKS) {
    const int row = PER_KEY ? i : lane;
    const bool live = row < steps && (!PER_KEY || lane < columns);
    const bool forgets = RESETS && row < steps && (row < begin || row >= end || reset[row]);
    gates[PER_KEY ? row * TILE_STRIDE + lane : lane] =
        forgets ? 0.0f
        : live  ? static_cast<float>(g[row * stride + (PER_KEY ? lane : 0)])
                : 1.0f;
  }
}


template <bool PER_KEY, bool RESETS, typename Gates>
inline float gates_product(Gates gates, int first, int last, int lane) {
  float product = 1.0f;
  for (int row = first; row < last; ++row) {
    product = decayed<RESETS>(product, gate_at<PER_KEY>(gates, row, lane));
  }
  return product;
}


template <bool RESETS, typename Gates>
inline float gates_between(Gates gates, int last, int lane) {
  float product = lane + 1 < last ? gates[lane + 1] : 1.0f;
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float later = metal::simd_shuffle_down(product, static_cast<ushort>(offset));
    const float both = RESETS && later == 0.0f ? 0.0f : decayed<RESETS>(later, product);
    product = lane + offset < TILE ? both : product;
  }
  return lane < last ? product : 0.0f;
}



template <bool RESETS, typename Gates, typename Products>
inline void gates_products(Gates gates, Products upto, Products after, int simdgroup, int lane) {
  if (simdgroup < 2) {
    const bool forward = simdgroup == 0;
    float product = forward ? gates[lane] : lane > 0 ? gates[TILE - lane] : 1.0f;
    for (int offset = 1; offset < TILE; offset *= 2) {
      const float before = metal::simd_shuffle_up(product, static_cast<ushort>(offset));
      const float both = RESETS && before == 0.0f ? 0.0f : decayed<RESETS>(before, product);
      product = lane >= offset ? both : product;
    }
    if (forward) {
      upto[lane] = product;
    } else {
      after[TILE - 1 - lane] = product;
    }
  }
}



template <bool PER_KEY, bool SUFFIX, bool RESETS, typename Tile, typename Gates, typename Products>
inline void tile_keep_decayed(
    Tile tile,
    thread float (&rows)[8],
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  const int first = simdgroup * 8;
  float product = 1.0f;
  if (PER_KEY) {
    product = SUFFIX ? gates_product<true, RESETS>(gates, first + 8, TILE, lane)
                     : gates_product<true, RESETS>(gates, 0, first, lane);
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int at = SUFFIX ? 7 - i : i;
    const int row = first + at;
    float weight = product;
    if (PER_KEY) {
      product = decayed<RESETS>(product, gate_at<true>(gates, row, lane));
      weight = SUFFIX ? weight : product;
    } else {
      weight = products[row];
    }

    tile[row * TILE_STRIDE + lane] = rows[at] == 0.0f ? 0.0f : weight * (factor * rows[at]);
  }
}


template <
    bool PER_KEY,
    bool SUFFIX,
    bool RESETS,
    typename Tile,
    typename Source,
    typename Gates,
    typename Products>
inline void tile_load_decayed(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  float rows[8];
  tile_fetch(rows, source, stride, columns, begin, end, simdgroup, lane);
  tile_keep_decayed<PER_KEY, SUFFIX, RESETS>(tile, rows, factor, gates, products, simdgroup, lane);
}


template <bool RESETS, typename Reset>
inline int first_reset(Reset reset, int steps, int begin = 0) {
  int at = RESETS ? begin : steps;
  while (RESETS && at < steps && !reset[at]) {
    ++at;
  }
  return at;
}


template <bool RESETS, typename Reset>
inline int last_reset(Reset reset, int steps) {
  int at = RESETS ? steps - 1 : 0;
  while (RESETS && at > 0 && !reset[at]) {
    --at;
  }
  return at;
}

#line 10 "shaders/gla/recurrent.metal"

using namespace metal;

template <typename TQ, typename TK, typename TV, typename TG, int Dk, int Dv, bool PER_KEY, int LANES, int SLICES, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_recurrent_a97ff0c4__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const constant int* k_shape [[buffer(2)]],
  const device float* v [[buffer(3)]],
  const constant int* v_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device float* initial_state [[buffer(6)]],
  const constant bool* reset [[buffer(7)]],
  const constant float* scale [[buffer(8)]],
  device float* o [[buffer(9)]],
  device float* final_state [[buffer(10)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 38 "shaders/gla/recurrent.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(Dk <= 32 * SLICES, "a thread must not hold more than 32 keys of the state");
  constexpr int KEYS = (Dk + SLICES - 1) / SLICES;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float partial[SLICES * LANES];

  const int L = v_shape[1];
  const int Hk = k_shape[2];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * LANES + lane;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const bool in_range = value < Dv;
  const int first = slice * KEYS;
  const int keys = min(KEYS, Dk - first);
  const long state = ((static_cast<long>(batch) * H + head) * Dk + first) * Dv + value;

  float h[KEYS];
  for (int i = 0; i < KEYS; ++i) {
    h[i] = HAS_INITIAL_STATE && in_range && i < keys ? initial_state[state + i * Dv] : 0.0f;
  }
  for (int t = 0; t < L; ++t) {
    const long step = static_cast<long>(batch) * L + t;
    const long source = (step * Hk + head / (H / Hk)) * Dk + first;
    const long row = step * H + head;
    const float input = in_range ? static_cast<float>(v[row * Dv + value]) : 0.0f;
    const bool forgets = HAS_RESET && reset[step];
    float sum = 0.0f;
    for (int i = 0; i < KEYS; ++i) {
      if (i < keys) {
        const float gate = static_cast<float>(g[row * GATES + (PER_KEY ? first + i : 0)]);
        h[i] = fma(static_cast<float>(k[source + i]), input, forgets ? 0.0f : gate * h[i]);
        sum = fma(static_cast<float>(q[source + i]), h[i], sum);
      }
    }
    partial[slice * LANES + lane] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (slice == 0 && in_range) {
      float total = 0.0f;
      for (int s = 0; s < SLICES; ++s) {
        total += partial[s * LANES + lane];
      }
      o[row * Dv + value] = static_cast<TV>(scale[0] * total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (int i = 0; i < KEYS; ++i) {
    if (in_range && i < keys) {
      final_state[state + i * Dv] = h[i];
    }
  }

}

template [[host_name("custom_kernel_gla_recurrent_a97ff0c4__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float")]] [[kernel]] decltype(custom_kernel_gla_recurrent_a97ff0c4__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, 33, 20, 0, 32, 8, 1, 1>) custom_kernel_gla_recurrent_a97ff0c4__float_float_float_float_33_20_0_32_8_1_1_float_float_float_float_float_boolc_floatc_float_float<float, float, float, float, 33, 20, 0, 32, 8, 1, 1>;
