#line 1 "shaders/gated_delta_chunk_state/adjoints.metal"






#include <metal_stdlib>

#line 1 "shaders/common/blocks.h"




#include <metal_stdlib>

#line 1 "shaders/common/tile.h"







#include <metal_stdlib>

#line 1 "shaders/common/carry.h"




#include <metal_stdlib>


struct carry_decay {
  float base;
  float change;
};



METAL_FUNC void carry_decay_from(thread carry_decay& decay, float whole, float less) {
  const bool slow = whole > 0.5f && metal::abs(less - (whole - 1.0f)) < 5e-6f;
  decay.base = slow ? 1.0f : 0.0f;
  decay.change = slow ? less : whole;
}


template <typename Factor>
METAL_FUNC void carry_fade(
    thread metal::simdgroup_float8x8& state,
    thread metal::simdgroup_float8x8& rest,
    Factor base,
    Factor change) {
  rest.thread_elements() = base * rest.thread_elements() + change * state.thread_elements();
  state.thread_elements() = base * state.thread_elements();
}


METAL_FUNC void carry_settle(
    thread metal::simdgroup_float8x8& state, thread metal::simdgroup_float8x8& rest) {
  const metal::float2 before = state.thread_elements();
  state.thread_elements() = before + rest.thread_elements();
  rest.thread_elements() = rest.thread_elements() - (state.thread_elements() - before);
}

#line 11 "shaders/common/tile.h"
#line 1 "shaders/common/simd_sums.h"




#include <metal_stdlib>



template <int COUNT, int MASK>
inline float simd_sums(thread float (&values)[COUNT], int lane) {
#pragma unroll
  for (int level = 1; level < COUNT; level *= 2) {
    const int rest = COUNT / 2 / level;
    const bool upper = (lane & MASK / level) != 0;
#pragma unroll
    for (int i = 0; i < rest; ++i) {
      const float given = upper ? values[i] : values[i + rest];
      const float kept = upper ? values[i + rest] : values[i];
      values[i] = kept + metal::simd_shuffle_xor(given, static_cast<ushort>(MASK / level));
    }
  }
  return values[0];
}

#line 12 "shaders/common/tile.h"

constexpr constant int TILE = 32;
constexpr constant int TILE_BLOCKS = TILE / 8;
constexpr constant int TILE_SIMDGROUPS = 2;

constexpr constant int TILE_ROWS = TILE / TILE_SIMDGROUPS;
constexpr constant int TILE_OWN = TILE_ROWS / 8;

constexpr constant int TILE_STRIDE = 36;

constexpr constant int ROW_STRIDE = 9;


struct tile_sum {
  metal::simdgroup_float8x8 at[TILE_OWN][TILE_BLOCKS];
};





template <typename T, int ROWS = TILE_ROWS, typename Source>
METAL_FUNC void tile_fetch(
    thread T (&rows)[ROWS],
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  const int own = simdgroup * ROWS;
  const int first = begin - own;
  const int last = lane < columns ? end - own : 0;
  auto from = source + own * stride + lane;
  if (begin <= own && own + ROWS <= end && columns >= TILE) {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
      rows[i] = static_cast<T>(from[i * stride]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < ROWS; ++i) {
      rows[i] = i >= first && i < last ? static_cast<T>(from[i * stride]) : static_cast<T>(0.0f);
    }
  }
}


METAL_FUNC float rows_sums(thread float (&rows)[TILE_ROWS], int lane) {
  const float half_sum = simd_sums<TILE_ROWS, 16>(rows, lane);
  return half_sum + metal::simd_shuffle_xor(half_sum, static_cast<ushort>(1));
}


template <bool RESETS, typename T>
METAL_FUNC void rows_read(
    thread float (&rows)[TILE_ROWS], thread T (&fetched)[TILE_ROWS], int begin, int end, int simdgroup) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    rows[i] = RESETS && (row < begin || row >= end) ? 0.0f : static_cast<float>(fetched[i]);
  }
}


METAL_FUNC void rows_if(thread float (&rows)[TILE_ROWS], bool there) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    rows[i] = there ? rows[i] : 0.0f;
  }
}


template <typename T = float, int ROWS = TILE_ROWS, typename Tile>
METAL_FUNC void tile_keep(Tile tile, thread T (&rows)[ROWS], float factor, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    tile[(simdgroup * ROWS + i) * TILE_STRIDE + lane] = factor * static_cast<float>(rows[i]);
  }
}


template <typename T, typename Tile, typename Source>
METAL_FUNC void tile_load(
    Tile tile,
    Source source,
    int stride,
    int columns,
    int begin,
    int end,
    float factor,
    int simdgroup,
    int lane) {
  T rows[TILE_ROWS];
  tile_fetch<T>(rows, source, stride, columns, begin, end, simdgroup, lane);
  tile_keep<T>(tile, rows, factor, simdgroup, lane);
}


template <typename T, typename U, typename Tile, typename Source, typename Other>
METAL_FUNC void tile_load_both(
    Tile tile,
    Source source,
    float factor,
    Tile other,
    Other other_source,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  T rows[TILE_ROWS];
  U other_rows[TILE_ROWS];
  tile_fetch<T>(rows, source, stride, columns, begin, end, simdgroup, lane);
  tile_fetch<U>(other_rows, other_source, stride, columns, begin, end, simdgroup, lane);
  tile_keep<T>(tile, rows, factor, simdgroup, lane);
  tile_keep<U>(other, other_rows, 1.0f, simdgroup, lane);
}


template <typename T, int ROWS = TILE_ROWS, typename Destination>
METAL_FUNC void rows_store(
    thread float (&rows)[ROWS],
    Destination destination,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  const int own = simdgroup * ROWS;
  const int first = begin - own;
  const int last = lane < columns ? end - own : 0;
  auto to = destination + own * stride + lane;
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    if (i >= first && i < last) {
      *to = static_cast<T>(rows[i]);
    }
    to += stride;
  }
}


template <int ROWS = TILE_ROWS, typename Tile>
METAL_FUNC void tile_rows(thread float (&rows)[ROWS], Tile tile, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    rows[i] = tile[(simdgroup * ROWS + i) * TILE_STRIDE + lane];
  }
}


template <typename Tile>
METAL_FUNC void tile_within(Tile tile, int begin, int end, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int at = (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane;
    tile[at] = lane >= begin && lane < end ? tile[at] : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}


template <typename T, int ROWS = TILE_ROWS, typename Tile, typename Destination>
METAL_FUNC void tile_store(
    Tile tile,
    Destination destination,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  float rows[ROWS];
  tile_rows<ROWS>(rows, tile, simdgroup, lane);
  rows_store<T, ROWS>(rows, destination, stride, columns, begin, end, simdgroup, lane);
}


template <bool TRANSPOSED, typename Tile>
METAL_FUNC metal::simdgroup_float8x8 tile_matrix(Tile tile, int row, int column) {
  metal::simdgroup_float8x8 m;
  const int at = TRANSPOSED ? column * 8 * TILE_STRIDE + row * 8 : row * 8 * TILE_STRIDE + column * 8;
  metal::simdgroup_load(m, tile + at, TILE_STRIDE, metal::ulong2(0, 0), TRANSPOSED);
  return m;
}

METAL_FUNC void tile_clear(thread metal::simdgroup_float8x8 (&blocks)[TILE_OWN]) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    blocks[r] = metal::simdgroup_float8x8(0.0f);
  }
}

METAL_FUNC void tile_clear(thread tile_sum& sum) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c] = metal::simdgroup_float8x8(0.0f);
    }
  }
}

METAL_FUNC void tile_add(thread tile_sum& sum, thread tile_sum& other) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c].thread_elements() += other.at[r][c].thread_elements();
    }
  }
}

METAL_FUNC void tile_settle(thread tile_sum& state, thread tile_sum& rest) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      carry_settle(state.at[r][c], rest.at[r][c]);
    }
  }
}


METAL_FUNC void tile_times(thread tile_sum& sum, float factor) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c].thread_elements() *= factor;
    }
  }
}




template <typename A = float, typename B = float>
METAL_FUNC void multiply_2x2(
    thread metal::simdgroup_float8x8& sum00,
    thread metal::simdgroup_float8x8& sum01,
    thread metal::simdgroup_float8x8& sum10,
    thread metal::simdgroup_float8x8& sum11,
    thread metal::simdgroup_float8x8& left0,
    thread metal::simdgroup_float8x8& left1,
    thread metal::simdgroup_float8x8& right0,
    thread metal::simdgroup_float8x8& right1) {
#ifdef __HAVE_SIMDGROUP_MULTIPLY_2X2__
  metal::simdgroup_multiply_accumulate_2x2<A, B>(sum00, sum01, sum10, sum11, left0, left1, right0, right1);
#else
  metal::simdgroup_multiply_accumulate(sum00, left0, right0, sum00);
  metal::simdgroup_multiply_accumulate(sum01, left0, right1, sum01);
  metal::simdgroup_multiply_accumulate(sum10, left1, right0, sum10);
  metal::simdgroup_multiply_accumulate(sum11, left1, right1, sum11);
#endif
}


template <typename A, typename B>
METAL_FUNC void tile_multiply(
    thread tile_sum& sum,
    thread metal::simdgroup_float8x8 (&left)[TILE_OWN],
    thread metal::simdgroup_float8x8& right,
    thread metal::simdgroup_float8x8& next,
    int column) {
  multiply_2x2<A, B>(
      sum.at[0][column],
      sum.at[0][column + 1],
      sum.at[1][column],
      sum.at[1][column + 1],
      left[0],
      left[1],
      right,
      next);
}


template <bool TRANSPOSED, typename Tile>
METAL_FUNC void tile_own(
    thread metal::simdgroup_float8x8 (&left)[TILE_OWN], Tile tile, int simdgroup, int inner) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    left[r] = tile_matrix<TRANSPOSED>(tile, simdgroup * TILE_OWN + r, inner);
  }
}


template <bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED, typename A, typename B, typename Left, typename Right>
METAL_FUNC void tile_product_block(thread tile_sum& sum, Left left, Right right, int simdgroup, int inner) {
  metal::simdgroup_float8x8 a[TILE_OWN];
  tile_own<LEFT_TRANSPOSED>(a, left, simdgroup, inner);
#pragma unroll
  for (int c = 0; c < TILE_BLOCKS; c += 2) {
    metal::simdgroup_float8x8 b = tile_matrix<RIGHT_TRANSPOSED>(right, inner, c);
    metal::simdgroup_float8x8 next = tile_matrix<RIGHT_TRANSPOSED>(right, inner, c + 1);
    tile_multiply<A, B>(sum, a, b, next, c);
  }
}


template <
    bool LEFT_TRANSPOSED,
    bool RIGHT_TRANSPOSED,
    typename A = float,
    typename B = float,
    typename Left,
    typename Right>
METAL_FUNC void tile_product(thread tile_sum& sum, Left left, Right right, int simdgroup) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
#pragma unroll
#endif
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    tile_product_block<LEFT_TRANSPOSED, RIGHT_TRANSPOSED, A, B>(sum, left, right, simdgroup, inner);
  }
}


template <bool TRANSPOSED, typename B = float, typename Left, typename Right>
METAL_FUNC void tile_product_lower(thread tile_sum& sum, Left left, Right right, int simdgroup) {
  const int first = TRANSPOSED ? simdgroup * TILE_OWN : 0;
  const int last = TRANSPOSED ? TILE_BLOCKS : (simdgroup + 1) * TILE_OWN;
  for (int inner = first; inner < last; ++inner) {
    tile_product_block<TRANSPOSED, false, float, B>(sum, left, right, simdgroup, inner);
  }
}


template <typename Tile>
METAL_FUNC void tile_put(thread tile_sum& sum, Tile tile, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    auto row = tile + (simdgroup * TILE_ROWS + r * 8) * TILE_STRIDE;
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_store(sum.at[r][c], row + c * 8, TILE_STRIDE);
    }
  }
}


template <typename Tile>
METAL_FUNC void tile_get(thread tile_sum& sum, Tile tile, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      sum.at[r][c] = tile_matrix<false>(tile, simdgroup * TILE_OWN + r, c);
    }
  }
}



template <bool RESETS, int COLUMNS, typename Weights>
METAL_FUNC void block_scale(thread metal::simdgroup_float8x8 (&row)[COLUMNS], Weights weights) {
  metal::simdgroup_float8x8 weight;
  metal::simdgroup_load(weight, weights, ROW_STRIDE);
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const float w = weight.thread_elements()[e];
      const float x = row[c].thread_elements()[e];
      row[c].thread_elements()[e] = RESETS && w == 0.0f ? 0.0f : w * x;
    }
  }
}


template <bool RESETS, typename Weights>
METAL_FUNC void tile_scale(thread tile_sum& sum, Weights weights, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    block_scale<RESETS, TILE_BLOCKS>(sum.at[r], weights + (simdgroup * TILE_OWN + r) * 8 * ROW_STRIDE);
  }
}



template <typename Tile, typename Weights>
METAL_FUNC void tile_weigh(
    thread tile_sum& sum,
    thread metal::simdgroup_float8x8 (&grad)[TILE_OWN],
    Tile other,
    Weights weights,
    int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    metal::simdgroup_float8x8 weight;
    metal::simdgroup_load(weight, weights + row * 8 * ROW_STRIDE, ROW_STRIDE);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      metal::simdgroup_float8x8 factor = tile_matrix<false>(other, row, c);
      grad[r].thread_elements() += factor.thread_elements() * sum.at[r][c].thread_elements();
      sum.at[r][c].thread_elements() *= weight.thread_elements();
    }
  }
}

#line 8 "shaders/common/blocks.h"

constexpr constant int BLOCK = 64;



template <bool TRANSPOSED, typename T = float, typename Block>
METAL_FUNC metal::simdgroup_matrix<T, 8, 8> block_load(Block block) {
  metal::simdgroup_matrix<T, 8, 8> m;
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  metal::simdgroup_load_block<TRANSPOSED>(m, block);
#else
  metal::simdgroup_load(m, block, 8, metal::ulong2(0, 0), TRANSPOSED);
#endif
  return m;
}


template <typename T>
METAL_FUNC metal::simdgroup_float8x8 matrix_as_float(thread metal::simdgroup_matrix<T, 8, 8>& m) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  return metal::simdgroup_convert<float>(m);
#else
  metal::simdgroup_float8x8 wide;
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    wide.thread_elements()[e] = static_cast<float>(m.thread_elements()[e]);
  }
  return wide;
#endif
}

template <bool TRANSPOSED, typename Block>
METAL_FUNC void block_store(thread metal::simdgroup_float8x8& m, Block block) {
#ifdef __HAVE_SIMDGROUP_BLOCKS__
  metal::simdgroup_store_block<TRANSPOSED>(m, block);
#else
  metal::simdgroup_store(m, block, 8, metal::ulong2(0, 0), TRANSPOSED);
#endif
}



template <bool TRANSPOSED, bool WHOLE, int ROWS, int COLUMNS, typename Blocks>
METAL_FUNC void blocks_store(
    thread metal::simdgroup_float8x8 (&matrices)[ROWS][COLUMNS],
    Blocks blocks,
    int wide,
    int rows,
    int columns) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c) {
      if (WHOLE || (r < rows && c < columns)) {
        block_store<TRANSPOSED>(matrices[r][c], blocks + (r * wide + c) * BLOCK);
      }
    }
  }
}



template <bool TRANSPOSED, bool WHOLE, typename A = float, typename Left, typename State>
METAL_FUNC void tile_product_state(
    thread tile_sum& sum, Left left, State state, int wide, int inners, int columns, int simdgroup) {
  const int down = BLOCK * (TRANSPOSED ? 1 : wide);
  const int along = BLOCK * (TRANSPOSED ? wide : 1);
  for (int inner = 0; inner < (WHOLE ? TILE_BLOCKS : metal::min(inners, TILE_BLOCKS)); ++inner) {
    metal::simdgroup_float8x8 a[TILE_OWN];
    tile_own<false>(a, left, simdgroup, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; c += 2) {
      if (WHOLE || c < columns) {

        const int other = WHOLE ? c + 1 : metal::min(c + 1, columns - 1);
        auto from = state + inner * down;
        metal::simdgroup_float8x8 b = block_load<!TRANSPOSED>(from + c * along);
        metal::simdgroup_float8x8 next = block_load<!TRANSPOSED>(from + other * along);
        tile_multiply<A, float>(sum, a, b, next, c);
      }
    }
  }
}



template <bool TRANSPOSED, bool WHOLE, typename T = float, typename Tile, typename Blocks>
METAL_FUNC void tile_store_blocks(
    Tile tile, Blocks blocks, int wide, int columns, int begin, int end, int simdgroup, int lane) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int own = simdgroup * TILE_OWN + r;
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
#pragma unroll
      for (int part = 0; part < BLOCK; part += 32) {
        const int cell = part + lane;
        const int row = own * 8 + (TRANSPOSED ? cell % 8 : cell / 8);
        const int column = c * 8 + (TRANSPOSED ? cell / 8 : cell % 8);
        if ((WHOLE || c < columns) && row >= begin && row < end) {
          blocks[(own * wide + c) * BLOCK + cell] = static_cast<T>(tile[row * TILE_STRIDE + column]);
        }
      }
    }
  }
}

#line 10 "shaders/gated_delta_chunk_state/adjoints.metal"

#line 1 "shaders/common/walk.h"




#include <metal_stdlib>




template <int WIDE, int TALL>
struct walk_state {
  metal::simdgroup_float8x8 at[TALL][WIDE];
};


template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_add(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int first = 0; first < TALL; first += TILE_BLOCKS) {
    const int key = first * 8 + lane;
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      for (int row = 0; row < 8; ++row) {
        const bool live = key < TALL * 8 && key < keys && w * 8 + row < columns;
        scratch[row * TILE_STRIDE + lane] =
            live ? static_cast<float>(source[(w * 8 + row) * Dk + key]) : 0.0f;
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
      for (int r = first; r < TALL && r < first + TILE_BLOCKS; ++r) {
        metal::simdgroup_float8x8 more = tile_matrix<false>(scratch, 0, r - first);
        state.at[r][w].thread_elements() += more.thread_elements();
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    }
  }
}

template <int WIDE>
METAL_FUNC void walk_clear(thread metal::simdgroup_float8x8 (&row)[WIDE]) {
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    row[w] = metal::simdgroup_float8x8(0.0f);
  }
}

template <int WIDE, int TALL>
METAL_FUNC void walk_clear(thread walk_state<WIDE, TALL>& state) {
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
    walk_clear<WIDE>(state.at[r]);
  }
}


template <int WIDE, int TALL, typename Source, typename Tile>
METAL_FUNC void walk_begin(
    thread walk_state<WIDE, TALL>& state,
    Source source,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
  walk_clear<WIDE, TALL>(state);
  walk_add<WIDE, TALL>(state, source, Dk, keys, columns, scratch, lane);
}


template <int WIDE, int TALL, typename T = float, typename Destination, typename Tile>
METAL_FUNC void walk_end(
    thread walk_state<WIDE, TALL>& state,
    Destination destination,
    int Dk,
    int keys,
    int columns,
    Tile scratch,
    int lane) {
#pragma unroll
  for (int first = 0; first < TALL; first += TILE_BLOCKS) {
    const int key = first * 8 + lane;
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
#pragma unroll
      for (int r = first; r < TALL && r < first + TILE_BLOCKS; ++r) {
        metal::simdgroup_store(state.at[r][w], scratch + (r - first) * 8, TILE_STRIDE);
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
      for (int row = 0; row < 8; ++row) {
        if (key < TALL * 8 && key < keys && w * 8 + row < columns) {
          destination[(w * 8 + row) * Dk + key] = static_cast<T>(scratch[row * TILE_STRIDE + lane]);
        }
      }
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    }
  }
}


template <int WIDE, int TALL>
METAL_FUNC void walk_settle(thread walk_state<WIDE, TALL>& state, thread walk_state<WIDE, TALL>& rest) {
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      carry_settle(state.at[r][w], rest.at[r][w]);
    }
  }
}


template <int WIDE, typename A = float, typename B = float>
METAL_FUNC void walk_multiply(
    thread metal::simdgroup_float8x8 (&sums)[WIDE],
    thread metal::simdgroup_float8x8 (&nexts)[WIDE],
    thread metal::simdgroup_float8x8 (&left)[WIDE],
    thread metal::simdgroup_float8x8& right,
    thread metal::simdgroup_float8x8& next) {
#pragma unroll
  for (int w = 0; w < WIDE; w += 2) {
    if (w + 1 < WIDE) {
      multiply_2x2<A, B>(sums[w], nexts[w], sums[w + 1], nexts[w + 1], left[w], left[w + 1], right, next);
    } else {
      metal::simdgroup_multiply_accumulate(sums[w], left[w], right, sums[w]);
      metal::simdgroup_multiply_accumulate(nexts[w], left[w], next, nexts[w]);
    }
  }
}

#line 12 "shaders/gated_delta_chunk_state/adjoints.metal"
#line 1 "shaders/gated_delta_chunk_state/steps.h"




#include <metal_stdlib>


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

#line 9 "shaders/gated_delta_chunk_state/steps.h"



constexpr constant int CHUNK = 64;
constexpr constant int PIECE = 16;


template <int WIDE>
constexpr constant int STEPS_STRIDE = WIDE * 8 + 4;


struct steps_keys {
  metal::simdgroup_float8x8 at[TILE_BLOCKS];
};


template <typename Tile, typename Rows>
METAL_FUNC void steps_load(Tile scratch, Rows rows, int stride, int steps, int keys, int lane) {
#pragma unroll
  for (int row = 0; row < 8; ++row) {
    const bool live = row < steps && lane < keys;
    scratch[row * TILE_STRIDE + lane] = live ? static_cast<float>(rows[row * stride + lane]) : 0.0f;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
}


template <bool TRANSPOSED, typename Tile>
METAL_FUNC void steps_take(thread steps_keys& keys, Tile scratch) {
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    keys.at[r] = tile_matrix<TRANSPOSED>(scratch, TRANSPOSED ? r : 0, TRANSPOSED ? 0 : r);
  }
}


template <int WIDE, typename Product>
METAL_FUNC void steps_product(
    thread walk_state<WIDE, TILE_BLOCKS>& state,
    thread steps_keys& former,
    thread steps_keys& latter,
    Product product) {
  metal::simdgroup_float8x8 sums[WIDE];
  metal::simdgroup_float8x8 nexts[WIDE];
  walk_clear<WIDE>(sums);
  walk_clear<WIDE>(nexts);
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; ++r) {
    walk_multiply<WIDE>(sums, nexts, state.at[r], former.at[r], latter.at[r]);
  }
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    auto to = product + w * 8;
    metal::simdgroup_store(sums[w], to, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
    metal::simdgroup_store(
        nexts[w], to + 8 * STEPS_STRIDE<WIDE>, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
  }
}


template <int WIDE, typename Rows, typename Product, typename Tile>
METAL_FUNC void steps_read(
    thread walk_state<WIDE, TILE_BLOCKS>& state,
    Rows rows,
    int stride,
    int steps,
    int keys,
    Product product,
    Tile scratch,
    int lane) {
  steps_keys former;
  steps_keys latter;
  steps_load(scratch, rows, stride, steps, keys, lane);
  steps_take<true>(former, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  steps_load(scratch, rows + PIECE / 2 * stride, stride, steps - PIECE / 2, keys, lane);
  steps_take<true>(latter, scratch);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  steps_product<WIDE>(state, former, latter, product);
}


template <int WIDE, typename Values>
METAL_FUNC void steps_update(
    thread walk_state<WIDE, TILE_BLOCKS>& rest, thread steps_keys& keys, Values values) {
  metal::simdgroup_float8x8 left[WIDE];
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
    metal::simdgroup_load(left[w], values + w * 8, STEPS_STRIDE<WIDE>, metal::ulong2(0, 0), true);
  }
#pragma unroll
  for (int r = 0; r < TILE_BLOCKS; r += 2) {
    walk_multiply<WIDE>(rest.at[r], rest.at[r + 1], left, keys.at[r], keys.at[r + 1]);
  }
}


template <int WIDE, typename Rows, typename Values, typename Tile>
METAL_FUNC void steps_write(
    thread walk_state<WIDE, TILE_BLOCKS>& rest,
    Rows rows,
    int stride,
    int steps,
    int keys,
    Values values,
    Tile scratch,
    int lane) {
  for (int step = 0; step < steps; step += 8) {
    steps_load(scratch, rows + step * stride, stride, steps - step, keys, lane);
    steps_keys written;
    steps_take<false>(written, scratch);
    steps_update<WIDE>(rest, written, values + step * STEPS_STRIDE<WIDE>);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <typename Weights, typename Gates>
METAL_FUNC void steps_weights(Weights weights, Gates g, int stride, int steps, int simdgroup, int lane) {
  if (simdgroup == 0) {
    for (int row = lane; row < CHUNK; row += 32) {
      const float after = row < steps ? g[(steps - 1) * stride] - g[row * stride] : 0.0f;
      weights[row] = row < steps ? metal::exp(after) : 0.0f;
    }
  }
}


template <int WIDE>
METAL_FUNC void steps_decay(
    thread walk_state<WIDE, TILE_BLOCKS>& state, thread walk_state<WIDE, TILE_BLOCKS>& rest, float g) {
  const float whole = metal::exp(g);
  carry_decay decay;
  carry_decay_from(decay, whole, exp_minus_one(g, whole));
#pragma unroll
  for (int w = 0; w < WIDE; ++w) {
#pragma unroll
    for (int r = 0; r < TILE_BLOCKS; ++r) {
      carry_fade(state.at[r][w], rest.at[r][w], decay.base, decay.change);
    }
  }
}

#line 13 "shaders/gated_delta_chunk_state/adjoints.metal"

using namespace metal;

template <typename TK, typename TW, typename TU, int Dk, int Dv, int WIDE, bool HAS_H0>
[[kernel]] void custom_kernel_gated_delta_chunk_state_adjoints_d40321dc__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float(
  const device float* k [[buffer(0)]],
  const constant int* k_shape [[buffer(1)]],
  const device float* w [[buffer(2)]],
  const device float* g [[buffer(3)]],
  const constant int* g_shape [[buffer(4)]],
  const device float* grad_h_out [[buffer(5)]],
  const device float* grad_v_new [[buffer(6)]],
  const device float* grad_final [[buffer(7)]],
  device float* chunk_adjoint [[buffer(8)]],
  device float* grad_update [[buffer(9)]],
  device float* grad_u [[buffer(10)]],
  device float* grad_h0 [[buffer(11)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 31 "shaders/gated_delta_chunk_state/adjoints.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  static_assert(Dk * WIDE <= 512, "a threadgroup must not have more than 512 keys of 8 values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE = KEYS % TILE == 0 && VALUES % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TILE - 1) / TILE;
  constexpr int PRODUCT = PIECE * STEPS_STRIDE<WIDE>;
  threadgroup float products[SIMDGROUPS * PRODUCT];
  threadgroup float updates[CHUNK * STEPS_STRIDE<WIDE>];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[CHUNK];

  const int L = g_shape[1];
  const int Hk = k_shape[2];
  const int H = g_shape[2];
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

  walk_state<WIDE, TILE_BLOCKS> G;
  walk_state<WIDE, TILE_BLOCKS> rest;
  walk_clear<WIDE, TILE_BLOCKS>(rest);
  walk_begin<WIDE, TILE_BLOCKS>(G, grad_final + corner, Dk, Dk - key, Dv - value, scratch, lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const long first = sequence + chunk * CHUNK;
    const int steps = min(CHUNK, L - chunk * CHUNK);
    const long entry = state * chunks + chunk;
    auto saved = chunk_adjoint + ((entry * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    auto entering = grad_h_out + ((static_cast<long>(batch) * chunks + chunk) * H + head) * Dv * Dk + cut;
    auto gates = g + first * H + head;
    blocks_store<false, WHOLE>(G.at, saved, VALUES / 8, (KEYS - key) / 8, (VALUES - value) / 8);
    steps_weights(weights, gates, H, steps, simdgroup, lane);

    for (int piece = 0; piece < steps; piece += PIECE) {
      auto rows = k + ((first + piece) * Hk + head / (H / Hk)) * Dk + key;
      steps_read<WIDE>(G, rows, Hk * Dk, steps - piece, Dk - key, own, scratch, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      for (int i = simdgroup * 32 + lane; i < PIECE * WIDE * 8; i += SIMDGROUPS * 32) {
        const int row = i / (WIDE * 8);
        const int column = i % (WIDE * 8);
        const int cell = row * STEPS_STRIDE<WIDE> + column;
        const long at = ((first + piece + row) * H + head) * Dv + value + column;
        const bool live = piece + row < steps && value + column < Dv;
        float sum = 0.0f;
        for (int s = 0; s < SIMDGROUPS; ++s) {
          sum += products[s * PRODUCT + cell];
        }
        const float d = live ? fma(weights[piece + row], sum, static_cast<float>(grad_v_new[at])) : 0.0f;
        if (live) {
          grad_update[at] = d;
          grad_u[at] = static_cast<TU>(d);
        }
        updates[piece * STEPS_STRIDE<WIDE> + cell] = -d;
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    steps_decay<WIDE>(G, rest, gates[(steps - 1) * H]);
    steps_write<WIDE>(
        rest, w + (first * H + head) * Dk + key, H * Dk, steps, Dk - key, updates, scratch, lane);
    walk_add<WIDE, TILE_BLOCKS>(rest, entering, Dk, Dk - key, Dv - value, scratch, lane);
    walk_settle<WIDE, TILE_BLOCKS>(G, rest);
  }
  if (HAS_H0) {
    walk_end<WIDE, TILE_BLOCKS>(G, grad_h0 + corner, Dk, Dk - key, Dv - value, scratch, lane);
  }

}

template [[host_name("custom_kernel_gated_delta_chunk_state_adjoints_d40321dc__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_chunk_state_adjoints_d40321dc__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>) custom_kernel_gated_delta_chunk_state_adjoints_d40321dc__float_float_float_33_20_3_1_float_float_float_float_float_float_float_float_float_float<float, float, float, 33, 20, 3, 1>;
