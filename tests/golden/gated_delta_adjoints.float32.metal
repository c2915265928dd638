#line 1 "shaders/gated_delta/adjoints.metal"







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

#line 11 "shaders/gated_delta/adjoints.metal"

#line 1 "shaders/common/walk.h"





#include <metal_stdlib>




template <int WIDE>
constexpr constant int WALK_STRIDE = WIDE * 8 + 4;


template <int WIDE, typename Source, typename Tile>
inline void walk_add(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int c = 0; c < WIDE; ++c) {
    for (int row = 0; row < 8; ++row) {
      const bool live = lane < keys && c * 8 + row < columns;
      scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(source[(c * 8 + row) * Dk + lane]) : 0.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      metal::simdgroup_float8x8 more = tile_matrix<true>(scratch, r, 0);
      state[r * WIDE + c].thread_elements() += more.thread_elements();
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <int WIDE, typename Source, typename Tile>
inline void walk_begin(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int i = 0; i < TILE_BLOCKS * WIDE; ++i) {
    state[i] = metal::simdgroup_float8x8(0.0f);
  }
  walk_add<WIDE>(state, source, Dk, keys, columns, scratch, lane);
}


template <int WIDE, typename T = float, typename Destination, typename Tile>
inline void walk_end(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Destination destination,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int c = 0; c < WIDE; ++c) {
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      metal::simdgroup_store(state[r * WIDE + c], scratch + r * 8, TILE_STRIDE, metal::ulong2(0, 0), true);
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int row = 0; row < 8; ++row) {
      if (lane < keys && c * 8 + row < columns) {
        destination[(c * 8 + row) * Dk + lane] = static_cast<T>(scratch[row * TILE_STRIDE + lane]);
      }
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <int WIDE, typename Destination>
inline void walk_save(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Destination destination,
    int stride,
    int rows,
    int columns) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      if (r < rows && c < columns) {
        metal::simdgroup_store(state[r * WIDE + c], destination + r * 8 * stride + c * 8, stride);
      }
    }
  }
}


struct walk_keys {
  metal::simdgroup_float8x8 a[TILE_BLOCKS];
};


template <bool TRANSPOSED, typename Keys>
inline void walk_fetch(thread metal::simdgroup_float8x8 (&a)[TILE_BLOCKS], Keys keys, int stride, int rows) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    const int row = 8 * metal::max(metal::min(r, rows - 1), 0);
    metal::simdgroup_load(a[r], keys + row, stride, metal::ulong2(0, 0), TRANSPOSED);
  }
}



template <int WIDE, int STEPS = TILE, typename Keys, typename Product>
inline void walk_read(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Keys keys,
    int stride,
    int rows,
    Product product) {
  walk_keys next;
  walk_fetch<false>(next.a, keys, stride, rows);
  for (int step = 0; step < STEPS; step += 8) {
    walk_keys now = next;
    if (step + 8 < STEPS) {
      walk_fetch<false>(next.a, keys + (step + 8) * stride, stride, rows);
    }
    metal::simdgroup_float8x8 sum[WIDE];
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      sum[c] = metal::simdgroup_float8x8(0.0f);
    }
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      if (r < rows) {
#pragma unroll
        for (int c = 0; c < WIDE; ++c) {
          metal::simdgroup_multiply_accumulate(sum[c], now.a[r], state[r * WIDE + c], sum[c]);
        }
      }
    }
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      metal::simdgroup_store(sum[c], product + step * WALK_STRIDE<WIDE> + c * 8, WALK_STRIDE<WIDE>);
    }
  }
}


template <int WIDE, typename Decays, typename Scratch>
inline void walk_decay(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Decays decays,
    int keys,
    bool carries,
    Scratch scratch,
    int lane) {
  const float decay = lane < keys ? decays[lane] : 0.0f;
  for (int c = 0; c < 8; ++c) {
    scratch[lane * 8 + c] = decay;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    metal::simdgroup_float8x8 weight;
    metal::simdgroup_load(weight, scratch + r * 64, 8);
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      if (carries) {
        state[r * WIDE + c].thread_elements() *= weight.thread_elements();
      } else {
        state[r * WIDE + c] = metal::simdgroup_float8x8(0.0f);
      }
    }
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}


template <int WIDE, int STEPS = TILE, typename Keys, typename Values>
inline void walk_write(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Keys keys,
    int stride,
    int rows,
    Values values) {
  walk_keys next;
  walk_fetch<true>(next.a, keys, stride, rows);
  for (int step = 0; step < STEPS; step += 8) {
    walk_keys now = next;
    if (step + 8 < STEPS) {
      walk_fetch<true>(next.a, keys + (step + 8) * stride, stride, rows);
    }
    metal::simdgroup_float8x8 b[WIDE];
#pragma unroll
    for (int c = 0; c < WIDE; ++c) {
      metal::simdgroup_load(b[c], values + step * WALK_STRIDE<WIDE> + c * 8, WALK_STRIDE<WIDE>);
    }
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      if (r < rows) {
#pragma unroll
        for (int c = 0; c < WIDE; ++c) {
          metal::simdgroup_multiply_accumulate(state[r * WIDE + c], now.a[r], b[c], state[r * WIDE + c]);
        }
      }
    }
  }
}

#line 13 "shaders/gated_delta/adjoints.metal"

using namespace metal;

template <typename TV, typename TB, int Dk, int Dv, int WIDE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_adjoints_b3ef33ac__float_float_33_20_2_1_1_float_float_float_float_float_float_bool_float_float_float_float_float_float(
  const device float* read [[buffer(0)]],
  const device float* write_q [[buffer(1)]],
  const device float* write_k [[buffer(2)]],
  const device float* decay [[buffer(3)]],
  const device float* grad_values [[buffer(4)]],
  const device float* beta [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  const device float* grad_o [[buffer(7)]],
  const constant int* grad_o_shape [[buffer(8)]],
  const device float* grad_final_state [[buffer(9)]],
  device float* chunk_adjoint [[buffer(10)]],
  device float* grad_update [[buffer(11)]],
  device float* grad_v [[buffer(12)]],
  device float* grad_initial_state [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 33 "shaders/gated_delta/adjoints.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  static_assert(Dk * WIDE <= 512, "a threadgroup must not have more than 512 keys of 8 values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr int SIMDGROUPS = (Dk + TILE - 1) / TILE;
  constexpr int PRODUCT = TILE * WALK_STRIDE<WIDE>;
  constexpr int THREADS = SIMDGROUPS * 32;
  constexpr int OWN = (TILE * WIDE * 8 + THREADS - 1) / THREADS;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float outputs[PRODUCT];
  threadgroup float updates[PRODUCT];

  const int L = grad_o_shape[1];
  const int H = grad_o_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  const long corner = (state * Dv + value) * Dk + key;
  auto own = products + simdgroup * PRODUCT;

  simdgroup_float8x8 G[TILE_BLOCKS * WIDE];
  walk_begin<WIDE>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, own, lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const long entry = state * chunks + chunk;
    const long rows = entry * TILE * KEYS + key;
    auto saved = chunk_adjoint + (entry * KEYS + key) * VALUES + value;
    walk_save<WIDE>(G, saved, VALUES, (KEYS - key) / 8, (VALUES - value) / 8);
    const long first = sequence + chunk * TILE;
    const int steps = min(TILE, L - chunk * TILE);
    float given[OWN];
    float rates[OWN];
    float grads[OWN];
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int i = n * THREADS + simdgroup * 32 + lane;
      const int column = value + i % (WIDE * 8);
      const long at = (first + i / (WIDE * 8)) * H + head;
      const bool live = i / (WIDE * 8) < steps && column < Dv;
      given[n] = live ? grad_values[at * Dv + column] : 0.0f;
      rates[n] = live ? static_cast<float>(beta[at]) : 0.0f;
      grads[n] = live ? static_cast<float>(grad_o[at * Dv + column]) : 0.0f;
    }
    walk_read<WIDE>(G, read + rows, KEYS, (KEYS - key) / 8, own);
    threadgroup_barrier(mem_flags::mem_threadgroup);


    auto resets = reset + (HAS_RESET ? first : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    const int leaves = last_reset<HAS_RESET>(resets, steps);
#pragma unroll
    for (int n = 0; n < OWN; ++n) {
      const int i = n * THREADS + simdgroup * 32 + lane;
      const int row = i / (WIDE * 8);
      const int column = i % (WIDE * 8);
      const int cell = row * WALK_STRIDE<WIDE> + column;
      const long at = (first + row) * H + head;
      const long to = at * Dv + value + column;
      const bool live = row < steps && value + column < Dv;
      float d = given[n];
      for (int s = 0; live && row >= leaves && s < SIMDGROUPS; ++s) {
        d += products[s * PRODUCT + cell];
      }
      const float grad = rates[n] * d;
      if (live) {
        grad_update[to] = d;
        grad_v[to] = static_cast<TV>(grad);
      }
      if (row < TILE) {
        outputs[cell] = row < end ? grads[n] : 0.0f;
        updates[cell] = row < end ? -grad : 0.0f;
      }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    walk_decay<WIDE>(G, decay + entry * KEYS + key, KEYS - key, end == steps, own, lane);
    walk_write<WIDE>(G, write_q + rows, KEYS, (KEYS - key) / 8, outputs);
    walk_write<WIDE>(G, write_k + rows, KEYS, (KEYS - key) / 8, updates);
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, own, lane);
  }

}

template [[host_name("custom_kernel_gated_delta_adjoints_b3ef33ac__float_float_33_20_2_1_1_float_float_float_float_float_float_bool_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_adjoints_b3ef33ac__float_float_33_20_2_1_1_float_float_float_float_float_float_bool_float_float_float_float_float_float<float, float, 33, 20, 2, 1, 1>) custom_kernel_gated_delta_adjoints_b3ef33ac__float_float_33_20_2_1_1_float_float_float_float_float_float_bool_float_float_float_float_float_float<float, float, 33, 20, 2, 1, 1>;
