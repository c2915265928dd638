#line 1 "shaders/gla/states.metal"






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

#line 10 "shaders/gla/states.metal"


using namespace metal;

template <typename TK, typename TV, typename TG, int Dk, int Dv, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_states_dd8d6ef4__bfloat16_t_bfloat16_t_bfloat16_t_33_20_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float(
  const device bfloat16_t* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device bfloat16_t* v [[buffer(2)]],
  const constant int* v_shape [[buffer(3)]],
  const device bfloat16_t* g [[buffer(4)]],
  const device float* initial_state [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  device float* chunk_state [[buffer(7)]],
  device float* final_state [[buffer(8)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 34 "shaders/gla/states.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int BLOCKS = (Dv + TILE - 1) / TILE;
  threadgroup float keys[TILE * TILE_STRIDE];
  threadgroup float values[TILE * TILE_STRIDE];
  threadgroup float gates[PER_KEY ? TILE * TILE_STRIDE : TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float decays[TILE * 8];

  const int L = k_shape[1];
  const int Hk = k_shape[2];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int key = threadgroup_position_in_grid.x / BLOCKS * TILE;
  const int value = threadgroup_position_in_grid.x % BLOCKS * TILE;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int kept = Dk - key;
  const int wide = Dv - value;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const int row = key / 8 + simdgroup;
  const long corner = (state * Dk + key) * Dv + value;

  simdgroup_float8x8 sum[TILE_BLOCKS];
  tile_clear(sum);
  if (HAS_INITIAL_STATE) {
    tile_load(keys, initial_state + corner, Dv, wide, 0, kept, 1.0f, simdgroup, lane);
    simdgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum[c] = tile_matrix<false>(keys, simdgroup, c);
    }
  }

  for (int chunk = 0; chunk < chunks; ++chunk) {
    auto entry = chunk_state + ((state * chunks + chunk) * ROWS * 8 + row * 8) * COLUMNS * 8 + value;
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (row < ROWS && value / 8 + c < COLUMNS) {
        simdgroup_store(sum[c], entry + c * 8, COLUMNS * 8);
      }
    }


    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    auto resets = reset + (HAS_RESET ? first : 0);
    const bool carries = first_reset<HAS_RESET>(resets, steps) == steps;
    const int begin = last_reset<HAS_RESET>(resets, steps);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    gates_load<PER_KEY, HAS_RESET>(
        gates,
        g + (first * H + head) * GATES + (PER_KEY ? key : 0),
        H * GATES,
        kept,
        resets,
        0,
        steps,
        steps,
        simdgroup,
        lane);
    tile_load(values, v + (first * H + head) * Dv + value, H * Dv, wide, begin, steps, 1.0f, simdgroup, lane);
    float rows[8];
    auto source = k + (first * Hk + head / (H / Hk)) * Dk + key;
    tile_fetch(rows, source, Hk * Dk, kept, begin, steps, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (!PER_KEY) {
      gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    tile_keep_decayed<PER_KEY, true, HAS_RESET>(keys, rows, 1.0f, gates, behind, simdgroup, lane);
    const float left = PER_KEY ? gates_product<true, HAS_RESET>(gates, 0, TILE, lane) : upto[TILE - 1];
    for (int c = simdgroup; c < 8; c += TILE_BLOCKS) {
      decays[lane * 8 + c] = left;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);

    simdgroup_float8x8 weight;
    simdgroup_load(weight, decays + simdgroup * 64, 8);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (carries) {
        sum[c].thread_elements() *= weight.thread_elements();
      } else {
        sum[c] = simdgroup_float8x8(0.0f);
      }
    }
    tile_product<true, false>(sum, keys, values, simdgroup, 0, TILE_BLOCKS);
  }

  threadgroup_barrier(mem_flags::mem_threadgroup);
  tile_put(sum, keys, simdgroup);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  tile_store<float>(keys, final_state + corner, Dv, wide, 0, kept, simdgroup, lane);

}

template [[host_name("custom_kernel_gla_states_dd8d6ef4__bfloat16_t_bfloat16_t_bfloat16_t_33_20_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float")]] [[kernel]] decltype(custom_kernel_gla_states_dd8d6ef4__bfloat16_t_bfloat16_t_bfloat16_t_33_20_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 0, 1, 1>) custom_kernel_gla_states_dd8d6ef4__bfloat16_t_bfloat16_t_bfloat16_t_33_20_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 0, 1, 1>;
