#line 1 "shaders/gla/adjoints.metal"






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

#line 10 "shaders/gla/adjoints.metal"
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

#line 11 "shaders/gla/adjoints.metal"

#line 1 "shaders/gla/state.h"



#include <metal_stdlib>






template <typename Decays>
METAL_FUNC void state_keep_decay(Decays decays, thread const carry_decay& decay, int simdgroup, int lane) {
  for (int c = simdgroup; c < 8; c += TILE_SIMDGROUPS) {
    decays[lane * ROW_STRIDE + c] = decay.base;
    decays[(TILE + lane) * ROW_STRIDE + c] = decay.change;
  }
}


template <bool PER_KEY, typename Decays>
METAL_FUNC void state_decay(
    thread tile_sum& state,
    thread tile_sum& rest,
    Decays decays,
    thread const carry_decay& decay,
    bool carries,
    int simdgroup) {
  if (!carries) {
    tile_clear(state);
    tile_clear(rest);
  }
#pragma unroll
  for (int r = 0; carries && r < TILE_OWN; ++r) {
    metal::simdgroup_float8x8 base;
    metal::simdgroup_float8x8 change;
    if (PER_KEY) {
      const int row = (simdgroup * TILE_OWN + r) * 8;
      metal::simdgroup_load(base, decays + row * ROW_STRIDE, ROW_STRIDE);
      metal::simdgroup_load(change, decays + (TILE + row) * ROW_STRIDE, ROW_STRIDE);
    }
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (PER_KEY) {
        carry_fade(state.at[r][c], rest.at[r][c], base.thread_elements(), change.thread_elements());
      } else {
        carry_fade(state.at[r][c], rest.at[r][c], decay.base, decay.change);
      }
    }
  }
}


template <bool PER_KEY, typename TK, typename TV, typename TG>
struct state_rows {
  TK keys[TILE_ROWS];
  TV values[TILE_ROWS];
  gates_part<PER_KEY, TG> gates;
};


template <
    bool PER_KEY,
    bool RESETS,
    typename TK,
    typename TV,
    typename TG,
    typename Keys,
    typename Values,
    typename Gates,
    typename Reset>
METAL_FUNC void state_fetch(
    thread state_rows<PER_KEY, TK, TV, TG>& rows,
    Keys keys,
    int key_stride,
    int kept,
    Values values,
    int value_stride,
    int wide,
    Gates gates,
    int gate_stride,
    Reset resets,
    int steps,
    int simdgroup,
    int lane) {
  gates_fetch<PER_KEY, RESETS, TG>(
      rows.gates, gates, gate_stride, kept, resets, 0, steps, steps, simdgroup, lane);
  tile_fetch<TK>(rows.keys, keys, key_stride, kept, 0, steps, simdgroup, lane);
  tile_fetch<TV>(rows.values, values, value_stride, wide, 0, steps, simdgroup, lane);
}

#line 13 "shaders/gla/adjoints.metal"

using namespace metal;

template <typename TQ, typename TV, typename TG, int Dk, int Dv, int H, int Hk, bool PER_KEY, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_adjoints_02f1ffd5__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float(
  const device bfloat16_t* q [[buffer(0)]],
  const constant int* q_shape [[buffer(1)]],
  const device bfloat16_t* grad_o [[buffer(2)]],
  const device bfloat16_t* g [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const constant float* scale [[buffer(5)]],
  const device float* grad_final_state [[buffer(6)]],
  device float* chunk_adjoint [[buffer(7)]],
  device float* grad_initial_state [[buffer(8)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 38 "shaders/gla/adjoints.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int BLOCKS = (Dv + TILE - 1) / TILE;
  threadgroup float keys[TILE * TILE_STRIDE];
  threadgroup float values[TILE * TILE_STRIDE];
  threadgroup float gates[PER_KEY ? TILE * TILE_STRIDE : 1];
  threadgroup float decays[PER_KEY ? 2 * TILE * ROW_STRIDE : 1];
  threadgroup float weights[PER_KEY ? 1 : TILE_SIMDGROUPS * TILE];

  const int L = q_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int key = threadgroup_position_in_grid.x / BLOCKS * TILE;
  const int value = threadgroup_position_in_grid.x % BLOCKS * TILE;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int kept = Dk - key;
  const int wide = Dv - value;
  const int row = key / 8 + simdgroup * TILE_OWN;
  const long sequence = static_cast<long>(batch) * L;
  const long state = static_cast<long>(batch) * H + head;
  const int chunks = (L + TILE - 1) / TILE;
  auto own_weights = weights + (PER_KEY ? 0 : simdgroup * TILE);
  const long corner = (state * Dk + key) * Dv + value;

  tile_sum G;
  tile_sum rest;
  tile_clear(rest);
  tile_load<float>(keys, grad_final_state + corner, Dv, wide, 0, kept, 1.0f, simdgroup, lane);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  tile_get(G, keys, simdgroup);


  state_rows<PER_KEY, TQ, TV, TG> rows;
  const long last = sequence + (chunks - 1) * TILE;
  auto key_rows = q + (last * Hk + head / (H / Hk)) * Dk + key;
  auto value_rows = grad_o + (last * H + head) * Dv + value;
  auto gate_rows = g + (last * H + head) * GATES + (PER_KEY ? key : 0);
  auto resets = reset + (HAS_RESET ? last : 0);
  const long last_state = (state + 1) * chunks - 1;
  auto entry = chunk_adjoint + ((last_state * ROWS + row) * COLUMNS + value / 8) * BLOCK;
  state_fetch<PER_KEY, HAS_RESET, TQ, TV, TG>(
      rows,
      key_rows,
      Hk * Dk,
      kept,
      value_rows,
      H * Dv,
      wide,
      gate_rows,
      H * GATES,
      resets,
      L - (chunks - 1) * TILE,
      simdgroup,
      lane);

  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    blocks_store<true, WHOLE>(G.at, entry, COLUMNS, ROWS - row, COLUMNS - value / 8);


    const int steps = min(TILE, L - chunk * TILE);
    const int end = first_reset<HAS_RESET>(resets, steps);
    const bool carries = end == steps;
    float own_keys[TILE_ROWS];
    float own_values[TILE_ROWS];
    rows_read<HAS_RESET, TQ>(own_keys, rows.keys, 0, end, simdgroup);
    rows_read<HAS_RESET, TV>(own_values, rows.values, 0, end, simdgroup);
    carry_decay left;
    if (PER_KEY) {
      gates_keep<PER_KEY, TG>(gates, rows.gates, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      gates_column_decay<HAS_RESET>(left, gates, lane);
    } else {
      const float gate = static_cast<float>(rows.gates.at[0]);
      const float product = products_upto<HAS_RESET>(gate, lane);
      const float all = simd_broadcast(product, static_cast<ushort>(TILE - 1));
      gates_decay(left, gate, all);
      own_weights[lane] = product;
      simdgroup_barrier(mem_flags::mem_threadgroup);
    }
    rows_decay<PER_KEY, false, HAS_RESET, float>(
        own_keys, own_keys, scale[0], gates, own_weights, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    tile_keep(values, own_values, 1.0f, simdgroup, lane);
    tile_keep(keys, own_keys, 1.0f, simdgroup, lane);
    if (PER_KEY) {
      state_keep_decay(decays, left, simdgroup, lane);
    }
    key_rows -= TILE * Hk * Dk;
    value_rows -= TILE * H * Dv;
    gate_rows -= TILE * H * GATES;
    entry -= ROWS * COLUMNS * BLOCK;
    resets -= HAS_RESET ? TILE : 0;
    if (chunk > 0) {
      state_fetch<PER_KEY, HAS_RESET, TQ, TV, TG>(
          rows,
          key_rows,
          Hk * Dk,
          kept,
          value_rows,
          H * Dv,
          wide,
          gate_rows,
          H * GATES,
          resets,
          TILE,
          simdgroup,
          lane);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    state_decay<PER_KEY>(G, rest, decays, left, carries, simdgroup);
    tile_product<true, false, float, TV>(rest, keys, values, simdgroup);
    tile_settle(G, rest);
  }

  threadgroup_barrier(mem_flags::mem_threadgroup);
  tile_put(G, keys, simdgroup);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  if (HAS_INITIAL_STATE) {
    tile_store<float>(keys, grad_initial_state + corner, Dv, wide, 0, kept, simdgroup, lane);
  }

}

template [[host_name("custom_kernel_gla_adjoints_02f1ffd5__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float")]] [[kernel]] decltype(custom_kernel_gla_adjoints_02f1ffd5__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>) custom_kernel_gla_adjoints_02f1ffd5__bfloat16_t_bfloat16_t_bfloat16_t_33_20_4_2_0_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_floatc_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 33, 20, 4, 2, 0, 1, 1>;
