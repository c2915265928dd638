#line 1 "shaders/gated_delta/adjoints.metal"








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

#line 12 "shaders/gated_delta/adjoints.metal"
#line 1 "shaders/common/gates.h"




#include <metal_stdlib>





template <bool RESETS>
METAL_FUNC float decayed(float product, float gate) {
  return RESETS && gate == 0.0f ? 0.0f : product * gate;
}


template <bool RESETS>
METAL_FUNC float decayed_both(float a, float b) {
  return RESETS && a == 0.0f ? 0.0f : decayed<RESETS>(a, b);
}


template <bool PER_KEY, typename T>
struct gates_part {
  T at[PER_KEY ? TILE_ROWS : 1];
};



template <bool PER_KEY, bool RESETS, typename T, typename Source, typename Reset>
METAL_FUNC void gates_fetch(
    thread gates_part<PER_KEY, T>& part,
    Source g,
    int stride,
    int columns,
    Reset reset,
    int begin,
    int end,
    int steps,
    int simdgroup,
    int lane) {
#pragma unroll
  for (int i = 0; i < (PER_KEY ? TILE_ROWS : 1); ++i) {
    const int row = PER_KEY ? simdgroup * TILE_ROWS + i : lane;
    const bool live = row < steps && (!PER_KEY || lane < columns);
    const bool forgets = RESETS && row < steps && (row < begin || row >= end || reset[row]);
    part.at[i] = forgets ? static_cast<T>(0.0f)
                 : live  ? static_cast<T>(g[row * stride + (PER_KEY ? lane : 0)])
                         : static_cast<T>(1.0f);
  }
}

template <bool PER_KEY, typename T, typename Gates>
METAL_FUNC void gates_keep(Gates gates, thread gates_part<PER_KEY, T>& part, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < (PER_KEY ? TILE_ROWS : 1); ++i) {
    if (PER_KEY || simdgroup == 0) {
      gates[PER_KEY ? (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane : lane] =
          static_cast<float>(part.at[i]);
    }
  }
}


template <bool RESETS, typename Gates, typename Source, typename Reset>
METAL_FUNC void gates_load(
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
  gates_part<true, float> part;
  gates_fetch<true, RESETS, float>(part, g, stride, columns, reset, begin, end, steps, simdgroup, lane);
  gates_keep<true, float>(gates, part, simdgroup, lane);
}


template <bool RESETS, typename Gates>
METAL_FUNC float gates_product(Gates gates, int first, int last, int lane) {
  float product = 1.0f;
  for (int row = first; row < last; ++row) {
    product = decayed<RESETS>(product, gates[row * TILE_STRIDE + lane]);
  }
  return product;
}


template <bool RESETS>
METAL_FUNC float products_from(float product, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float later = metal::simd_shuffle_down(product, static_cast<ushort>(offset));
    product = lane + offset < TILE ? decayed_both<RESETS>(later, product) : product;
  }
  return product;
}


template <bool RESETS>
METAL_FUNC float products_upto(float product, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float before = metal::simd_shuffle_up(product, static_cast<ushort>(offset));
    product = lane >= offset ? decayed_both<RESETS>(before, product) : product;
  }
  return product;
}


METAL_FUNC void gates_decay(thread carry_decay& decay, float gate, float product) {
  float less = gate - 1.0f;
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float other = metal::simd_shuffle_xor(less, static_cast<ushort>(offset));
    less = metal::fma(less, other, less + other);
  }
  carry_decay_from(decay, product, less);
}


template <bool RESETS, typename Gates>
METAL_FUNC void gates_column_decay(thread carry_decay& decay, Gates gates, int lane) {
  float product = 1.0f;
  float less = 0.0f;
  for (int row = 0; row < TILE; ++row) {
    const float gate = gates[row * TILE_STRIDE + lane];
    product = decayed<RESETS>(product, gate);
    less = metal::fma(less, gate, gate - 1.0f);
  }
  carry_decay_from(decay, product, less);
}


template <bool RESETS, typename Gates>
METAL_FUNC float gates_between(Gates gates, int last, int lane) {
  const float product = products_from<RESETS>(lane + 1 < last ? gates[lane + 1] : 1.0f, lane);
  return lane < last ? product : 0.0f;
}



template <bool RESETS, typename Gates>
METAL_FUNC float gates_upto(Gates gates, int lane) {
  return products_upto<RESETS>(gates[lane], lane);
}


template <bool RESETS, typename Gates, typename Products>
METAL_FUNC void gates_products(Gates gates, Products upto, Products after, int simdgroup, int lane) {
  if (simdgroup == 0) {
    upto[lane] = gates_upto<RESETS>(gates, lane);
  } else {
    after[lane] = gates_between<RESETS>(gates, TILE, lane);
  }
}




template <bool PER_KEY, bool SUFFIX, bool RESETS, typename T, typename Gates, typename Products>
METAL_FUNC void rows_decay(
    thread float (&kept)[TILE_ROWS],
    thread T (&rows)[TILE_ROWS],
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  const int first = simdgroup * TILE_ROWS;
  float product = 1.0f;
  if (PER_KEY) {
    product = SUFFIX ? gates_product<RESETS>(gates, first + TILE_ROWS, TILE, lane)
                     : gates_product<RESETS>(gates, 0, first, lane);
  }
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int at = SUFFIX ? TILE_ROWS - 1 - i : i;
    const int row = first + at;
    float weight = product;
    if (PER_KEY) {
      product = decayed<RESETS>(product, gates[row * TILE_STRIDE + lane]);
      weight = SUFFIX ? weight : product;
    } else {
      weight = products[row];
    }
    const float x = static_cast<float>(rows[at]);
    kept[at] = RESETS && x == 0.0f ? 0.0f : weight * (factor * x);
  }
}


template <bool RESETS, typename Reset>
METAL_FUNC int first_reset(Reset reset, int steps, int begin = 0) {
  int at = RESETS ? begin : steps;
  while (RESETS && at < steps && !reset[at]) {
    ++at;
  }
  return at;
}


template <bool RESETS, typename Reset>
METAL_FUNC int last_reset(Reset reset, int steps) {
  int at = RESETS ? steps - 1 : 0;
  while (RESETS && at > 0 && !reset[at]) {
    --at;
  }
  return at;
}

#line 13 "shaders/gated_delta/adjoints.metal"

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

#line 15 "shaders/gated_delta/adjoints.metal"
#line 1 "shaders/gated_delta/state.h"




#include <metal_stdlib>




#line 1 "shaders/gated_delta/steps.h"





#include <metal_stdlib>






template <int WIDE>
struct steps_values {
  metal::simdgroup_float8x8 at[TILE / 8][WIDE];
};

template <int WIDE>
METAL_FUNC void steps_clear(thread steps_values<WIDE>& values) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
    walk_clear<WIDE>(values.at[i]);
  }
}


struct steps_place {
  int row[2];
  int column[2];
};

template <typename Scratch>
METAL_FUNC steps_place steps_placed(Scratch scratch, int lane) {
  for (int at = lane; at < BLOCK; at += 32) {
    scratch[at] = static_cast<float>(at);
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  metal::simdgroup_float8x8 numbers;
  metal::simdgroup_load(numbers, scratch, 8);
  steps_place place;
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    const int number = static_cast<int>(numbers.thread_elements()[e]);
    place.row[e] = number / 8;
    place.column[e] = number % 8;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  return place;
}


template <int WIDE, typename T>
struct steps_given {
  T at[TILE / 8][WIDE][2];
};



template <int WIDE, bool WHOLE, typename T, typename Source>
METAL_FUNC void steps_fetch(
    thread steps_given<WIDE, T>& given,
    Source source,
    int stride,
    int columns,
    int steps,
    thread const steps_place& place) {
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    auto from = source + place.column[e] * stride + place.row[e];
#pragma unroll
    for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        const bool live = (WHOLE || w * 8 + place.row[e] < columns) && i * 8 + place.column[e] < steps;
        given.at[i][w][e] = live ? static_cast<T>(from[i * 8 * stride + w * 8]) : static_cast<T>(0.0f);
      }
    }
  }
}


template <int WIDE, typename T>
METAL_FUNC void steps_from(thread steps_values<WIDE>& values, thread steps_given<WIDE, T>& given) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        values.at[i][w].thread_elements()[e] = static_cast<float>(given.at[i][w][e]);
      }
    }
  }
}


template <int WIDE, bool WHOLE, typename T, typename Destination>
METAL_FUNC void steps_store(
    thread steps_values<WIDE>& values,
    Destination destination,
    int stride,
    int columns,
    int steps,
    thread const steps_place& place) {
#pragma unroll
  for (int e = 0; e < 2; ++e) {
    auto to = destination + place.column[e] * stride + place.row[e];
#pragma unroll
    for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        if ((WHOLE || w * 8 + place.row[e] < columns) && i * 8 + place.column[e] < steps) {
          to[i * 8 * stride + w * 8] = static_cast<T>(values.at[i][w].thread_elements()[e]);
        }
      }
    }
  }
}


struct steps_lower {
  metal::simdgroup_float8x8 at[TILE / 8][TILE / 8];
};

template <bool TRANSPOSED, typename Blocks>
METAL_FUNC void steps_fetch_lower(thread steps_lower& lower, Blocks blocks) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int j = 0; j < (i / 2 + 1) * 2; ++j) {
      lower.at[i][j] = block_load<TRANSPOSED>(blocks + (i * (TILE / 8) + j) * BLOCK);
    }
  }
}


template <int WIDE, bool BACK, typename A>
METAL_FUNC void steps_multiply(
    thread steps_values<WIDE>& values, thread steps_values<WIDE>& given, thread steps_lower& lower) {
#pragma unroll
  for (int i = 0; i < TILE / 8; i += 2) {
#pragma unroll
    for (int j = BACK ? i : 0; j < (BACK ? TILE / 8 : i + 2); ++j) {
      if (BACK) {
        walk_multiply<WIDE, A>(
            values.at[i], values.at[i + 1], given.at[j], lower.at[j][i], lower.at[j][i + 1]);
      } else {
        walk_multiply<WIDE, A>(
            values.at[i], values.at[i + 1], given.at[j], lower.at[i][j], lower.at[i + 1][j]);
      }
    }
  }
}


template <int WIDE, bool RESETS, typename Weights>
METAL_FUNC void steps_scale(
    thread steps_values<WIDE>& values, Weights weights, thread const steps_place& place) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const float weight = weights[i * 8 + place.column[e]];
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        const float x = values.at[i][w].thread_elements()[e];
        values.at[i][w].thread_elements()[e] = RESETS && weight == 0.0f ? 0.0f : weight * x;
      }
    }
  }
}

template <int WIDE>
METAL_FUNC void steps_times(thread steps_values<WIDE>& values, float factor) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      values.at[i][w].thread_elements() *= factor;
    }
  }
}


template <int WIDE, typename T>
METAL_FUNC void steps_miss(thread steps_values<WIDE>& values, thread steps_given<WIDE, T>& given) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const float x = values.at[i][w].thread_elements()[e];
        values.at[i][w].thread_elements()[e] = static_cast<float>(given.at[i][w][e]) - x;
      }
    }
  }
}


template <int WIDE>
METAL_FUNC void steps_take(
    thread steps_values<WIDE>& values,
    thread steps_values<WIDE>& others,
    int begin,
    int end,
    thread const steps_place& place) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int step = i * 8 + place.column[e];
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        const float x = values.at[i][w].thread_elements()[e];
        const float other = others.at[i][w].thread_elements()[e];
        values.at[i][w].thread_elements()[e] = step >= begin && step < end ? other : x;
      }
    }
  }
}


template <int WIDE, bool BACK, bool RESETS, typename A = float, typename Reset>
METAL_FUNC void steps_mix(
    thread steps_values<WIDE>& values,
    thread steps_values<WIDE>& given,
    thread steps_lower& lower,
    Reset resets,
    int steps,
    thread const steps_place& place) {
  if (!RESETS) {
    steps_multiply<WIDE, BACK, A>(values, given, lower);
  }
  int begin = RESETS ? 0 : steps;
  while (begin < steps) {
    const int end = first_reset<RESETS>(resets, steps, begin + 1);
    steps_values<WIDE> inside;
    steps_values<WIDE> mixed = values;
    steps_clear<WIDE>(inside);
    steps_take<WIDE>(inside, given, begin, end, place);
    steps_multiply<WIDE, BACK, A>(mixed, inside, lower);
    steps_take<WIDE>(values, mixed, begin, end, place);
    begin = end;
  }
}

#line 11 "shaders/gated_delta/state.h"



template <int TALL, typename T>
struct walk_keys {
  metal::simdgroup_matrix<T, 8, 8> at[TILE / 8][TALL];
};



template <int TALL, bool TRANSPOSED, bool WHOLE, typename T, typename Blocks>
METAL_FUNC void walk_fetch(thread walk_keys<TALL, T>& keys, Blocks blocks, int wide, int rows) {
#pragma unroll
  for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
    for (int r = 0; r < TALL; ++r) {
      const int row = WHOLE ? r : metal::max(metal::min(r, rows - 1), 0);
      keys.at[i][r] = block_load<TRANSPOSED, T>(blocks + (i * wide + row) * BLOCK);
      if (!WHOLE && r >= rows) {
        keys.at[i][r] = metal::simdgroup_matrix<T, 8, 8>(static_cast<T>(0.0f));
      }
    }
  }
}


template <int WIDE, int TALL, typename T>
METAL_FUNC void walk_read(
    thread steps_values<WIDE>& known, thread walk_state<WIDE, TALL>& state, thread walk_keys<TALL, T>& keys) {
#pragma unroll
  for (int i = 0; i < TILE / 8; i += 2) {
    walk_clear<WIDE>(known.at[i]);
    walk_clear<WIDE>(known.at[i + 1]);
#pragma unroll
    for (int r = 0; r < TALL; ++r) {
      metal::simdgroup_float8x8 right = matrix_as_float(keys.at[i][r]);
      metal::simdgroup_float8x8 next = matrix_as_float(keys.at[i + 1][r]);
      walk_multiply<WIDE, float, T>(known.at[i], known.at[i + 1], state.at[r], right, next);
    }
  }
}


template <int WIDE, int SIMDGROUPS, typename Sums>
METAL_FUNC void walk_sum(thread steps_values<WIDE>& known, Sums sums, int simdgroup) {
  constexpr int PART = TILE / 8 * WIDE * BLOCK;
  if (SIMDGROUPS > 1) {
    blocks_store<false, true>(known.at, sums + simdgroup * PART, WIDE, TILE / 8, WIDE);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int i = 0; i < TILE / 8; ++i) {
#pragma unroll
      for (int w = 0; w < WIDE; ++w) {
        known.at[i][w] = block_load<false>(sums + (i * WIDE + w) * BLOCK);
#pragma unroll
        for (int s = 1; s < SIMDGROUPS; ++s) {
          metal::simdgroup_float8x8 more = block_load<false>(sums + s * PART + (i * WIDE + w) * BLOCK);
          known.at[i][w].thread_elements() += more.thread_elements();
        }
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <bool PER_KEY, int TALL>
struct walk_decays {
  metal::float2 base[PER_KEY ? TALL : 1];
  metal::float2 change[PER_KEY ? TALL : 1];
};


template <bool PER_KEY, int TALL, typename Source>
METAL_FUNC void walk_fetch_decays(
    thread walk_decays<PER_KEY, TALL>& decays,
    Source source,
    int keys,
    int rows,
    thread const steps_place& place) {
#pragma unroll
  for (int r = 0; r < (PER_KEY ? TALL : 1); ++r) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int at = r * 8 + place.column[e];
      decays.base[r][e] = r < rows ? source[at] : 0.0f;
      decays.change[r][e] = r < rows ? source[keys + at] : 0.0f;
    }
  }
}


template <int WIDE, int TALL, bool PER_KEY>
METAL_FUNC void walk_fade(
    thread walk_state<WIDE, TALL>& state,
    thread walk_state<WIDE, TALL>& rest,
    thread walk_decays<PER_KEY, TALL>& decays,
    bool carries) {
  if (!carries) {
    walk_clear<WIDE, TALL>(state);
    walk_clear<WIDE, TALL>(rest);
  }
#pragma unroll
  for (int r = 0; r < TALL; ++r) {
    const int own = PER_KEY ? r : 0;
#pragma unroll
    for (int w = 0; w < WIDE; ++w) {
      if (carries) {
        carry_fade(state.at[r][w], rest.at[r][w], decays.base[own], decays.change[own]);
      }
    }
  }
}


template <int WIDE, int TALL, bool RESETS, typename T>
METAL_FUNC void walk_write(
    thread walk_state<WIDE, TALL>& rest,
    thread steps_values<WIDE>& values,
    thread walk_keys<TALL, T>& keys,
    int begin,
    int end,
    thread const steps_place& place) {
#pragma unroll
  for (int r = 0; r < TALL; r += 2) {
#pragma unroll
    for (int i = 0; i < TILE / 8; ++i) {
      metal::simdgroup_float8x8 right = matrix_as_float(keys.at[i][r]);
      metal::simdgroup_float8x8 next = matrix_as_float(keys.at[i][r + 1]);
#pragma unroll
      for (int e = 0; RESETS && e < 2; ++e) {
        const int step = i * 8 + place.row[e];
        const bool counts = step >= begin && step < end;
        const float x = right.thread_elements()[e];
        const float y = next.thread_elements()[e];
        right.thread_elements()[e] = counts ? x : 0.0f;
        next.thread_elements()[e] = counts ? y : 0.0f;
      }
      walk_multiply<WIDE, float, T>(rest.at[r], rest.at[r + 1], values.at[i], right, next);
    }
  }
}

#line 16 "shaders/gated_delta/adjoints.metal"


using namespace metal;

template <typename TWQ, typename TWK, typename TV, typename TB, int Dk, int Dv, int H, int WIDE, int TALL, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_adjoints_2b0daf2e__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_4_0_1_1_float_float_bfloat16_t_bfloat16_t_float_float_float_bfloat16_t_bool_floatc_bfloat16_t_float_float_float_bfloat16_t_float(
  const device float* inverse [[buffer(0)]],
  const device float* mixes [[buffer(1)]],
  const device bfloat16_t* queries [[buffer(2)]],
  const device bfloat16_t* keys [[buffer(3)]],
  const device float* upto [[buffer(4)]],
  const device float* after [[buffer(5)]],
  const device float* decay [[buffer(6)]],
  const device bfloat16_t* beta [[buffer(7)]],
  const device bool* reset [[buffer(8)]],
  const constant float* scale [[buffer(9)]],
  const device bfloat16_t* grad_o [[buffer(10)]],
  const constant int* grad_o_shape [[buffer(11)]],
  const device float* grad_final_state [[buffer(12)]],
  device float* chunk_adjoint [[buffer(13)]],
  device float* grad_update [[buffer(14)]],
  device bfloat16_t* grad_v [[buffer(15)]],
  device float* grad_initial_state [[buffer(16)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 52 "shaders/gated_delta/adjoints.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int KEYS = (Dk + 7) / 8 * 8;
  constexpr int VALUES = (Dv + 7) / 8 * 8;
  constexpr bool WHOLE_KEYS = KEYS % (TALL * 8) == 0;
  constexpr bool WHOLE = WHOLE_KEYS && VALUES % (WIDE * 8) == 0;
  constexpr bool WHOLE_ROWS = Dv % (WIDE * 8) == 0;
  constexpr int SIMDGROUPS = (Dk + TALL * 8 - 1) / (TALL * 8);
  constexpr int KINDS = PER_KEY ? 2 : 1;
  constexpr int SUMS = SIMDGROUPS > 1 ? SIMDGROUPS * TILE_BLOCKS * WIDE * BLOCK : 1;
  static_assert((SUMS + SIMDGROUPS * (8 * TILE_STRIDE + 3 * TILE)) * 4 <= 32768, "a threadgroup has 32 KiB");
  threadgroup float sums[SUMS];
  threadgroup float staged[SIMDGROUPS * 8 * TILE_STRIDE];
  threadgroup float weights[SIMDGROUPS * 3 * TILE];

  const int L = grad_o_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * WIDE * 8;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int key = simdgroup * TALL * 8;
  const int chunks = (L + TILE - 1) / TILE;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const long corner = (state * Dv + value) * Dk + key;
  const float factor = scale[0];
  auto scratch = staged + simdgroup * 8 * TILE_STRIDE;
  auto own_weights = weights + simdgroup * 3 * TILE;

  const steps_place place = steps_placed(scratch, lane);
  walk_state<WIDE, TALL> G;
  walk_state<WIDE, TALL> rest_of_G;
  walk_clear<WIDE, TALL>(rest_of_G);
  walk_begin<WIDE, TALL>(G, grad_final_state + corner, Dk, Dk - key, Dv - value, scratch, lane);


  const int owned = (KEYS - key) / 8;
  const int wide = Dv - value;
  const long last = state * chunks + chunks - 1;
  const int rest = L - (chunks - 1) * TILE;
  auto write_keys = keys + last * KINDS * TILE * KEYS + key / 8 * BLOCK;
  auto read_keys = write_keys + (KINDS - 1) * TILE * KEYS;
  auto chunk_queries = queries + last * TILE * KEYS + key / 8 * BLOCK;
  auto chunk_inverse = inverse + last * TILE * TILE;
  auto chunk_mixes = mixes + last * TILE * TILE;
  auto chunk_decay = decay + last * 2 * KEYS + key;
  const long begins = (sequence + (chunks - 1) * TILE) * H + head;
  auto chunk_outputs = grad_o + begins * Dv + value;
  auto chunk_updates = grad_update + begins * Dv + value;
  auto chunk_written = grad_v + begins * Dv + value;
  const long own_step = begins + static_cast<long>(lane) * H;
  auto chunk_upto = upto + own_step;
  auto chunk_after = after + own_step;
  auto chunk_beta = beta + own_step;
  walk_keys<TALL, TWK> reads;
  steps_lower mix;
  steps_given<WIDE, TV> given;
  walk_decays<PER_KEY, TALL> fading;
  walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
  steps_fetch_lower<true>(mix, chunk_mixes);
  steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, rest, place);
  walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, KEYS, owned, place);
  float own_upto = lane < rest ? *chunk_upto : 0.0f;
  float own_after = lane < rest ? *chunk_after : 0.0f;
  TB own_beta = lane < rest ? *chunk_beta : static_cast<TB>(0.0f);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const bool more = chunk > 0;
    const int steps = min(TILE, L - chunk * TILE);
    auto resets = reset + (HAS_RESET ? sequence + chunk * TILE : 0);
    const int end = first_reset<HAS_RESET>(resets, steps);
    auto saved =
        chunk_adjoint + (((state * chunks + chunk) * KEYS + key) / 8 * (VALUES / 8) + value / 8) * BLOCK;
    blocks_store<false, WHOLE>(G.at, saved, VALUES / 8, owned, (VALUES - value) / 8);

    walk_keys<TALL, TWK> writes;
    walk_keys<TALL, TWQ> asks;
    walk_fetch<TALL, false, WHOLE_KEYS>(writes, write_keys, KEYS / 8, owned);
    walk_fetch<TALL, false, WHOLE_KEYS>(asks, chunk_queries, KEYS / 8, owned);
    write_keys -= KINDS * TILE * KEYS;
    chunk_queries -= TILE * KEYS;
    steps_lower solve;
    steps_fetch_lower<false>(solve, chunk_inverse);
    chunk_inverse -= TILE * TILE;
    own_weights[lane] = own_after;
    own_weights[TILE + lane] = static_cast<float>(own_beta);
    own_weights[2 * TILE + lane] = own_upto;
    chunk_upto -= TILE * H;
    chunk_after -= TILE * H;
    chunk_beta -= TILE * H;
    if (more) {
      own_upto = *chunk_upto;
      own_after = *chunk_after;
      own_beta = *chunk_beta;
    }
    simdgroup_barrier(mem_flags::mem_threadgroup);
    steps_values<WIDE> updates;
    walk_read<WIDE, TALL, TWK>(updates, G, reads);
    walk_sum<WIDE, SIMDGROUPS>(updates, sums, simdgroup);


    steps_values<WIDE> outputs;
    steps_from<WIDE, TV>(outputs, given);
    steps_scale<WIDE, HAS_RESET>(updates, own_weights, place);
    steps_mix<WIDE, true, HAS_RESET, TV>(updates, outputs, mix, resets, steps, place);
    read_keys -= KINDS * TILE * KEYS;
    if (more) {
      walk_fetch<TALL, true, WHOLE_KEYS>(reads, read_keys, KEYS / 8, owned);
    }
    steps_values<WIDE> rated = updates;
    steps_scale<WIDE, HAS_RESET>(rated, own_weights + TILE, place);
    steps_mix<WIDE, true, HAS_RESET>(updates, rated, solve, resets, steps, place);
    steps_values<WIDE> written = updates;
    steps_scale<WIDE, HAS_RESET>(written, own_weights + TILE, place);
    if (simdgroup == 0) {
      steps_store<WIDE, WHOLE_ROWS, float>(updates, chunk_updates, H * Dv, wide, steps, place);
      steps_store<WIDE, WHOLE_ROWS, TV>(written, chunk_written, H * Dv, wide, steps, place);
    }
    chunk_updates -= TILE * H * Dv;
    chunk_written -= TILE * H * Dv;

    steps_times<WIDE>(outputs, factor);
    steps_times<WIDE>(written, -1.0f);
    steps_scale<WIDE, HAS_RESET>(outputs, own_weights + 2 * TILE, place);
    steps_scale<WIDE, HAS_RESET>(written, own_weights + 2 * TILE, place);
    walk_fade<WIDE, TALL, PER_KEY>(G, rest_of_G, fading, end == steps);
    walk_write<WIDE, TALL, HAS_RESET, TWQ>(rest_of_G, outputs, asks, 0, end, place);
    chunk_mixes -= TILE * TILE;
    chunk_outputs -= TILE * H * Dv;
    chunk_decay -= 2 * KEYS;
    if (more) {
      steps_fetch_lower<true>(mix, chunk_mixes);
      steps_fetch<WIDE, WHOLE_ROWS, TV>(given, chunk_outputs, H * Dv, wide, TILE, place);
      walk_fetch_decays<PER_KEY, TALL>(fading, chunk_decay, KEYS, owned, place);
    }
    walk_write<WIDE, TALL, HAS_RESET, TWK>(rest_of_G, written, writes, 0, end, place);
    walk_settle<WIDE, TALL>(G, rest_of_G);
    simdgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (HAS_INITIAL_STATE) {
    walk_end<WIDE, TALL>(G, grad_initial_state + corner, Dk, Dk - key, Dv - value, scratch, lane);
  }

}

template [[host_name("custom_kernel_gated_delta_adjoints_2b0daf2e__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_4_0_1_1_float_float_bfloat16_t_bfloat16_t_float_float_float_bfloat16_t_bool_floatc_bfloat16_t_float_float_float_bfloat16_t_float")]] [[kernel]] decltype(custom_kernel_gated_delta_adjoints_2b0daf2e__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_4_0_1_1_float_float_bfloat16_t_bfloat16_t_float_float_float_bfloat16_t_bool_floatc_bfloat16_t_float_float_float_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 4, 0, 1, 1>) custom_kernel_gated_delta_adjoints_2b0daf2e__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_4_0_1_1_float_float_bfloat16_t_bfloat16_t_float_float_float_bfloat16_t_bool_floatc_bfloat16_t_float_float_float_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 4, 0, 1, 1>;
