#line 1 "shaders/gated_delta_chunk_state/forward.metal"






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

#line 10 "shaders/gated_delta_chunk_state/forward.metal"
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

#line 11 "shaders/gated_delta_chunk_state/forward.metal"
#line 1 "shaders/gated_delta_chunk_state/steps.h"




#include <metal_stdlib>




constexpr constant int CHUNK = 64;
constexpr constant int PIECE = 16;


template <typename Tile, typename Rows>
inline void steps_load(Tile scratch, Rows rows, int stride, int steps, int keys, int lane) {
#pragma unroll
  for (int row = 0; row < 8; ++row) {
    const bool live = row < steps && lane < keys;
    scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(rows[row * stride + lane]) : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}


template <int WIDE, typename Rows, typename Product, typename Tile>
inline void steps_read(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Rows rows,
    int stride,
    int steps,
    int keys,
    Product product,
    Tile scratch,
    int lane) {
  for (int step = 0; step < PIECE; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    walk_read<WIDE, 8>(state, scratch, TILE_STRIDE, (keys + 7) / 8, product + step * WALK_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <int WIDE, typename Rows, typename Values, typename Tile>
inline void steps_write(
    thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE],
    Rows rows,
    int stride,
    int steps,
    int keys,
    Values values,
    Tile scratch,
    int lane) {
  for (int step = 0; step < steps; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    walk_write<WIDE, 8>(state, scratch, TILE_STRIDE, (keys + 7) / 8, values + step * WALK_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <typename Weights, typename Gates>
inline void steps_weights(Weights weights, Gates g, int stride, int steps, int simdgroup, int lane) {
  if (simdgroup == 0) {
    for (int row = lane; row < CHUNK; row += 32) {
      const float after = row < steps ? g[(steps - 1) * stride] - g[row * stride] : 0.0f;
      weights[row] = row < steps ? metal::exp(after) : 0.0f;
    }
  }
}


template <int WIDE>
inline void steps_decay(thread metal::simdgroup_float8x8 (&state)[TILE_BLOCKS * WIDE], float decay) {
#pragma unroll
  for (int i = 0; i < TILE_BLOCKS * WIDE; ++i) {
    state[i].thread_elements() *= decay;
  }
}

#line 12 "shaders/gated_delta_chunk_state/forward.metal"

using namespace metal;

template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void custom_kernel_gated_delta_chunk_state_forward_55f0d71d__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float(
  const device float* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* w [[buffer(2)]],
  const device float* u [[buffer(3)]],
  const constant int* u_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device float* h0 [[buffer(6)]],
  device float* h_out [[buffer(7)]],
  device float* v_new [[buffer(8)]],
  device float* final [[buffer(9)]],
  device float* chunk_state [[buffer(10)]],
  device float* error [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 30 "shaders/gated_delta_chunk_state/forward.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  static_assert(Dk * WIDE <= 512, "a threadgroup must not have more than 512 keys of 8 values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr int SIMDGROUPS = (Dk + TILE - 1) / TILE;
  constexpr int PRODUCT = PIECE * WALK_STRIDE<WIDE>;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float updates[CHUNK * WALK_STRIDE<WIDE>];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[CHUNK];

  const int L = u_shape[1];
  const int Hk = k_shape[2];
  const int H = u_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + CHUNK - 1) / CHUNK;
  const long cut = static_cast<long>(value) * Dk + key;
  const long corner = state * Dv * Dk + cut;
  auto own = products + simdgroup * PRODUCT;
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;

  simdgroup_float8x8 S[TILE_BLOCKS * WIDE];
  walk_begin<WIDE>(S, h0 + (HAS_H0 ? corner : 0), Dk, HAS_H0 ? Dk - key : 0, Dv - value, scratch, lane);

  for (int chunk = 0; chunk < chunks; ++chunk) {
    const long first = sequence + chunk * CHUNK;
    const int steps = min(CHUNK, L - chunk * CHUNK);
    const long entry = state * chunks + chunk;
    auto saved = chunk_state + (entry * KEYS + key) * VALUES + value;
    auto entering = h_out + ((static_cast<long>(batch) * chunks + chunk) * H + head) * Dv * Dk + cut;
    auto gates = g + first * H + head;
    walk_save<WIDE>(S, saved, VALUES, (KEYS - key) / 8, (VALUES - value) / 8);
    walk_end<WIDE, TK>(S, entering, Dk, Dk - key, Dv - value, scratch, lane);
    steps_weights(weights, gates, H, steps, simdgroup, lane);

    for (int piece = 0; piece < steps; piece += PIECE) {
      auto rows = w + ((first + piece) * H + head) * Dk + key;
      steps_read<WIDE>(S, rows, H * Dk, steps - piece, Dk - key, own, scratch, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int i = simdgroup * 32 + lane; i < PIECE * WIDE * 8; i += SIMDGROUPS * 32) {
        const int row = i / (WIDE * 8);
        const int column = i % (WIDE * 8);
        const int cell = row * WALK_STRIDE<WIDE> + column;
        const long at = ((first + piece + row) * H + head) * Dv + value + column;
        const bool live = piece + row < steps && value + column < Dv;
        float e = live ? static_cast<float>(u[at]) : 0.0f;
        for (int s = 0; s < SIMDGROUPS; ++s) {
          e -= products[s * PRODUCT + cell];
        }
        if (live) {
          v_new[at] = static_cast<TU>(e);
          error[at] = e;
        }
        updates[piece * WALK_STRIDE<WIDE> + cell] = live ? e * weights[piece + row] : 0.0f;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    auto written = k + (first * Hk + head / (H / Hk)) * Dk + key;
    steps_decay<WIDE>(S, exp(gates[(steps - 1) * H]));
    steps_write<WIDE>(S, written, Hk * Dk, steps, Dk - key, updates, scratch, lane);
  }
  walk_end<WIDE>(S, final + corner, Dk, Dk - key, Dv - value, scratch, lane);

}

template [[host_name("custom_kernel_gated_delta_chunk_state_forward_55f0d71d__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_chunk_state_forward_55f0d71d__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>) custom_kernel_gated_delta_chunk_state_forward_55f0d71d__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>;
