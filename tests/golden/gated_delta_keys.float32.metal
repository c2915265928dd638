#line 1 "shaders/gated_delta/keys.metal"











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

#line 15 "shaders/gated_delta/keys.metal"
#line 1 "shaders/common/gate_gradient.h"




#include <metal_stdlib>


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

#line 9 "shaders/common/gate_gradient.h"





template <bool RESETS, typename Grads, typename Tile, typename Gates>
METAL_FUNC void grad_gates_of_pairs(
    Grads grads, Tile pairs, Tile products, Gates gates, int begin, int end, int simdgroup, int lane) {
  if (simdgroup == 0) {
    float carry = 0.0f;
    for (int i = end - 1; i >= begin; --i) {
      carry += pairs[i * TILE_STRIDE + lane];
      const float before = lane < i ? products[(i - 1) * TILE_STRIDE + lane] : 0.0f;
      pairs[i * TILE_STRIDE + lane] = carry * before;
      carry = decayed<RESETS>(carry, gates[i]);
    }
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  float rows[TILE_ROWS];
  tile_rows(rows, pairs, simdgroup, lane);
  const float total = rows_sums(rows, lane);
  if (lane % 2 == 0) {
    grads[simdgroup * TILE_ROWS + lane / 2] = total;
  }
}



template <typename Parts, typename State>
METAL_FUNC void grad_decay_parts(
    Parts parts, State state, State adjoint, int size, bool carries, int simdgroup, int lane) {
  float inner = 0.0f;
  if (carries) {
#pragma unroll 16
    for (int i = simdgroup * TILE + lane; i < size; i += TILE_SIMDGROUPS * TILE) {
      inner += state[i] * adjoint[i];
    }
  }
  inner = metal::simd_sum(inner);
  if (lane == 0) {
    parts[simdgroup] = inner;
  }
}



template <typename State>
METAL_FUNC void states_product(
    thread metal::simdgroup_float8x8 (&total)[TILE_OWN],
    State state,
    State adjoint,
    int columns,
    int rows,
    int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    for (int c = 0; row < rows && c < columns; ++c) {
      const int at = (row * columns + c) * BLOCK;
      metal::simdgroup_float8x8 enters = block_load<true>(state + at);
      metal::simdgroup_float8x8 leaves = block_load<true>(adjoint + at);
      total[r].thread_elements() += enters.thread_elements() * leaves.thread_elements();
    }
  }
}


template <typename Rows>
METAL_FUNC void blocks_put(thread metal::simdgroup_float8x8 (&blocks)[TILE_OWN], Rows rows, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    metal::simdgroup_store(blocks[r], rows + (simdgroup * TILE_OWN + r) * 8 * ROW_STRIDE, ROW_STRIDE);
  }
}


template <typename Sums, typename Scratch>
METAL_FUNC void row_sums(
    thread metal::simdgroup_float8x8 (&matrices)[TILE_OWN],
    Sums sums,
    Scratch scratch,
    int simdgroup,
    int lane) {
  blocks_put(matrices, scratch, simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  if (lane < TILE_ROWS) {
    const int row = simdgroup * TILE_ROWS + lane;
    float sum = 0.0f;
    for (int c = 0; c < 8; ++c) {
      sum += scratch[row * ROW_STRIDE + c];
    }
    sums[row] = sum;
  }
}




template <bool RESETS, typename Sums, typename Gates>
METAL_FUNC float grad_gate_of_states(
    Sums entering, Sums leaving, float decay, Gates gates, float before, float after, int lane) {
  float from_state = decay;
  float to_state = 0.0f;
  for (int i = 0; i < TILE; ++i) {
    const int later = TILE - 1 - i;
    if (later > lane) {
      from_state = decayed<RESETS>(from_state + entering[later], gates[later]);
    }
    if (i < lane) {
      to_state = decayed<RESETS>(to_state, gates[i]) + leaving[i];
    }
  }
  return before * (from_state + entering[lane]) + after * to_state;
}

#line 16 "shaders/gated_delta/keys.metal"

#line 1 "shaders/common/scores.h"









#include <metal_stdlib>





template <typename A = float, typename B = float, typename Left, typename Right>
METAL_FUNC void scores_product(thread tile_sum& sum, Left left, Right right, int simdgroup) {
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_float8x8 a[TILE_OWN];
    tile_own<false>(a, left, simdgroup, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; c += TILE_OWN) {
      if (c <= simdgroup * TILE_OWN) {
        metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, c);
        metal::simdgroup_float8x8 next = tile_matrix<true>(right, inner, c + 1);
        tile_multiply<A, B>(sum, a, b, next, c);
      }
    }
  }
}


template <typename A, typename B, typename Left, typename Right>
METAL_FUNC void scores_square(
    thread metal::simdgroup_float8x8 (&sum)[TILE_OWN][TILE_OWN], Left left, Right right, int simdgroup) {
  const int row = simdgroup > 0 ? TILE_OWN : 0;
  const int column = simdgroup > 1 ? TILE_OWN : 0;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
    metal::simdgroup_float8x8 below = tile_matrix<false>(left, row + 1, inner);
    metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, column);
    metal::simdgroup_float8x8 next = tile_matrix<true>(right, inner, column + 1);
    multiply_2x2<A, B>(sum[0][0], sum[0][1], sum[1][0], sum[1][1], a, below, b, next);
  }
}

template <typename Scores>
METAL_FUNC void scores_put_square(
    thread metal::simdgroup_float8x8 (&sum)[TILE_OWN][TILE_OWN], Scores scores, int simdgroup) {
  auto corner = scores + (simdgroup > 0 ? TILE_ROWS * TILE_STRIDE : 0) + (simdgroup > 1 ? TILE_ROWS : 0);
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
#pragma unroll
    for (int c = 0; c < TILE_OWN; ++c) {
      metal::simdgroup_store(sum[r][c], corner + r * 8 * TILE_STRIDE + c * 8, TILE_STRIDE);
    }
  }
}



template <bool RESETS, int ROWS = TILE_ROWS, typename Scores, typename Gates>
METAL_FUNC void scores_decay(Scores scores, Gates gates, float factor, int simdgroup, int lane) {
  float weight = gates_between<RESETS>(gates, simdgroup * ROWS, lane);
#pragma unroll
  for (int i = 0; i < ROWS; ++i) {
    const int row = simdgroup * ROWS + i;
    const int at = row * TILE_STRIDE + lane;
    weight = row == lane ? 1.0f : decayed<RESETS>(weight, gates[row]);
    scores[at] = lane <= row ? factor * scores[at] * weight : 0.0f;
  }
}


template <typename Scores>
METAL_FUNC void scores_rate(Scores scores, float rate, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    scores[(simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane] *= rate;
  }
}



template <bool SYMMETRIC, typename Masks>
METAL_FUNC void masks_fill(Masks masks, int simdgroup, int lane) {
  for (int at = simdgroup * 32 + lane; at < 3 * 64; at += TILE_SIMDGROUPS * 32) {
    const int reach = 4 >> at / 64;
    const int row = at / 8 % 8;
    const int difference = row ^ at % 8;
    const bool level = difference >= reach && difference < 2 * reach;
    masks[at] = level && (SYMMETRIC || (row & reach) != 0) ? 1.0f : 0.0f;
  }
}


template <typename Masks>
METAL_FUNC Masks masks_level(Masks masks, int reach) {
  return masks + (reach == 4 ? 0 : reach == 2 ? 64 : 128);
}



template <bool RESETS, typename Gates>
METAL_FUNC float decay_to_middle(Gates gates, int row, int reach, int lane) {
  const int middle = row / (2 * reach) * 2 * reach + reach;
  return row >= middle ? gates_product<RESETS>(gates, middle, row + 1, lane)
                       : gates_product<RESETS>(gates, row + 1, middle, lane);
}


METAL_FUNC bool blocks_meet(int i, int j, int bit) {
  return (i ^ j) >= bit && (i ^ j) < 2 * bit;
}


template <bool RESETS, typename Tile, typename Gates>
METAL_FUNC void tile_meet(
    Tile meeting, Tile later, Tile earlier, Gates gates, int reach, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    const int at = row * TILE_STRIDE + lane;
    meeting[at] =
        ((row & reach) != 0 ? later[at] : earlier[at]) * decay_to_middle<RESETS>(gates, row, reach, lane);
  }
}


template <typename Tile, typename Mask>
METAL_FUNC void scores_add_masked(
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN], Tile left, Tile right, Mask mask, int simdgroup) {
  metal::simdgroup_float8x8 chosen;
  metal::simdgroup_load(chosen, mask, 8);
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    metal::simdgroup_float8x8 sum(0.0f);
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
      const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, row);
      metal::simdgroup_multiply_accumulate(sum, a, b, sum);
    }
    diagonal[r].thread_elements() += chosen.thread_elements() * sum.thread_elements();
  }
}



template <bool RESETS, typename Tile, typename Gates, typename Masks>
METAL_FUNC void scores_add(
    thread tile_sum& sum,
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN],
    thread float& same,
    Tile q,
    Tile k,
    Gates gates,
    Tile meeting,
    Masks masks,
    int simdgroup,
    int lane) {
  for (int reach = TILE / 2; reach >= 8; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma unroll
    for (int r = 0; r < TILE_OWN; ++r) {
      const int row = simdgroup * TILE_OWN + r;
      for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
        const metal::simdgroup_float8x8 a = tile_matrix<false>(meeting, row, inner);
#pragma unroll
        for (int c = 0; c < TILE_BLOCKS; ++c) {
          if (c < row && blocks_meet(row, c, reach / 8)) {
            const metal::simdgroup_float8x8 b = tile_matrix<true>(meeting, inner, c);
            metal::simdgroup_multiply_accumulate(sum.at[r][c], a, b, sum.at[r][c]);
          }
        }
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int row = simdgroup * TILE_ROWS + i;
    const float score = metal::simd_sum(q[row * TILE_STRIDE + lane] * k[row * TILE_STRIDE + lane]);
    same += lane == row ? score : 0.0f;
  }
  for (int reach = 4; reach > 0; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_add_masked(diagonal, meeting, meeting, masks_level(masks, reach), simdgroup);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}


template <typename Tile>
METAL_FUNC void scores_put_diagonal(
    thread metal::simdgroup_float8x8 (&diagonal)[TILE_OWN], Tile scores, int simdgroup) {
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    auto corner = scores + (simdgroup * TILE_ROWS + r * 8) * (TILE_STRIDE + 1);
    metal::simdgroup_store(diagonal[r], corner, TILE_STRIDE);
  }
}


template <typename Pairs, typename Tile, typename Masks>
METAL_FUNC void scores_level(
    thread tile_sum& sum, Pairs pairs, Tile meeting, Masks masks, int reach, int simdgroup) {
  const int bit = reach / 8;
#pragma unroll
  for (int r = 0; r < TILE_OWN; ++r) {
    const int row = simdgroup * TILE_OWN + r;
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      if (bit == 0 ? inner == row : blocks_meet(row, inner, bit)) {
        metal::simdgroup_float8x8 a = tile_matrix<false>(pairs, row, inner);
        if (bit == 0) {
          metal::simdgroup_float8x8 chosen;
          metal::simdgroup_load(chosen, masks_level(masks, reach), 8);
          a.thread_elements() *= chosen.thread_elements();
        }
#pragma unroll
        for (int c = 0; c < TILE_BLOCKS; ++c) {
          const metal::simdgroup_float8x8 b = tile_matrix<false>(meeting, inner, c);
          metal::simdgroup_multiply_accumulate(sum.at[r][c], a, b, sum.at[r][c]);
        }
      }
    }
  }
}



template <bool RESETS, typename Grads, typename Gates>
METAL_FUNC float grad_gate_after(
    Grads grads, Gates gates, int first, int row, int last, float carry, int lane) {
  for (int i = last - 1; i > row; --i) {
    carry = decayed<RESETS>(carry + grads[i * TILE_STRIDE + lane], gates[i * TILE_STRIDE + lane]);
  }
  carry += grads[row * TILE_STRIDE + lane];
  return carry * gates_product<RESETS>(gates, first, row, lane);
}


template <bool RESETS, typename Grads, typename Gates>
METAL_FUNC float grad_gate_before(Grads grads, Gates gates, int first, int row, int last, int lane) {
  float carry = 0.0f;
  for (int i = first; i < row; ++i) {
    carry = decayed<RESETS>(carry, gates[i * TILE_STRIDE + lane]) + grads[i * TILE_STRIDE + lane];
  }
  return carry * gates_product<RESETS>(gates, row + 1, last, lane);
}

#line 18 "shaders/gated_delta/keys.metal"

#line 1 "shaders/gated_delta/readouts.h"




#include <metal_stdlib>






template <typename TV, typename Tile, typename Grads, typename Errors>
METAL_FUNC void readouts_load(
    Tile outputs,
    Tile updates,
    Tile errors,
    Grads grad_o,
    Errors grad_update,
    Errors error,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  TV rows[TILE_ROWS];
  tile_fetch<TV>(rows, grad_o, stride, columns, begin, end, simdgroup, lane);
  tile_load_both<float, float>(
      updates, grad_update, 1.0f, errors, error, stride, columns, begin, end, simdgroup, lane);
  tile_keep<TV>(outputs, rows, 1.0f, simdgroup, lane);
}


template <typename Tile>
METAL_FUNC void readouts_inner(
    thread float (&grad_rate)[TILE_ROWS], Tile updates, Tile errors, int simdgroup, int lane) {
#pragma unroll
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int cell = (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane;
    grad_rate[i] = metal::fma(updates[cell], errors[cell], grad_rate[i]);
  }
}



template <typename TV, typename Tile, typename Grads, typename Errors>
METAL_FUNC void readouts_scores(
    thread tile_sum& after,
    thread tile_sum& before,
    thread float (&grad_rate)[TILE_ROWS],
    Tile outputs,
    Tile updates,
    Tile errors,
    Grads grad_o,
    Errors grad_update,
    Errors error,
    int stride,
    int columns,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  for (int value = 0; value < columns; value += TILE) {
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    readouts_load<TV>(
        outputs,
        updates,
        errors,
        grad_o + value,
        grad_update + value,
        error + value,
        stride,
        columns - value,
        begin,
        end,
        simdgroup,
        lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_product<TV, float>(after, outputs, errors, simdgroup);
    scores_product(before, updates, errors, simdgroup);
    readouts_inner(grad_rate, updates, errors, simdgroup, lane);
  }
}


template <typename T, typename Grads>
METAL_FUNC void readouts_grad_rate(
    thread float (&grad_rate)[TILE_ROWS],
    Grads grads,
    long stride,
    int begin,
    int end,
    int simdgroup,
    int lane) {
  const float total = rows_sums(grad_rate, lane);
  const int row = simdgroup * TILE_ROWS + lane / 2;
  if (lane % 2 == 0 && row >= begin && row < end) {
    grads[row * stride] = static_cast<T>(total);
  }
}



template <bool RATED, bool WHOLE, typename Tile, typename Source, typename Rates, typename State>
METAL_FUNC void readouts_state(
    thread tile_sum& sum,
    Tile tile,
    Source source,
    Rates rates,
    State state,
    int stride,
    int columns,
    int keys,
    int begin,
    int end,
    float factor,
    int simdgroup,
    int lane) {
  const int blocks = (columns + 7) / 8;
  for (int value = 0; value < columns; value += TILE) {
    float rows[TILE_ROWS];
    tile_fetch<float>(rows, source + value, stride, columns - value, begin, end, simdgroup, lane);
#pragma unroll
    for (int i = 0; i < TILE_ROWS; ++i) {
      rows[i] *= RATED ? rates[simdgroup * TILE_ROWS + i] : 1.0f;
    }
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_keep(tile, rows, factor, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    tile_product_state<true, WHOLE>(
        sum, tile, state + value / 8 * BLOCK, blocks, blocks - value / 8, (keys + 7) / 8, simdgroup);
  }
}


template <typename Tile>
METAL_FUNC void readouts_take(
    thread float (&rows)[TILE_ROWS], thread tile_sum& product, Tile tile, int simdgroup, int lane) {
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_put(product, tile, simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  tile_rows(rows, tile, simdgroup, lane);
}

#line 20 "shaders/gated_delta/keys.metal"

using namespace metal;

template <typename TQ, typename TK, typename TV, typename TG, typename TB, typename GRAD_Q, typename GRAD_K, int Dk, int Dv, int H, int Hk, bool HAS_RESET>
[[kernel]] void custom_kernel_gated_delta_keys_7678f2d5__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const device float* g [[buffer(2)]],
  const device float* beta [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const constant float* scale [[buffer(5)]],
  const device float* chunk_state [[buffer(6)]],
  const constant int* chunk_state_shape [[buffer(7)]],
  const device float* chunk_adjoint [[buffer(8)]],
  const device float* error [[buffer(9)]],
  const device float* grad_update [[buffer(10)]],
  const device float* grad_o [[buffer(11)]],
  const constant int* grad_o_shape [[buffer(12)]],
  device float* grad_q_head [[buffer(13)]],
  device float* grad_k_head [[buffer(14)]],
  device float* grad_g [[buffer(15)]],
  device float* grad_beta [[buffer(16)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 55 "shaders/gated_delta/keys.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float pairs[TILE * TILE_STRIDE];
  threadgroup float after[TILE * TILE_STRIDE];
  threadgroup float before[TILE * TILE_STRIDE];
  threadgroup float entering[TILE * ROW_STRIDE];
  threadgroup float leaving[TILE * ROW_STRIDE];
  threadgroup float read_rates[TILE * ROW_STRIDE];
  threadgroup float write_rates[TILE * ROW_STRIDE];
  threadgroup float gates[TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float rates[TILE];
  threadgroup float grad_gates[TILE];
  threadgroup float partial[TILE_SIMDGROUPS];

  const int L = grad_o_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long own_head = static_cast<long>(batch) * H + head;
  const int states = chunk_state_shape[2];
  const int unkept = chunks - states;
  const bool from_zero = chunk < unkept;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto error_row = error + row * Dv;
  auto update_row = grad_update + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + (own_head * states + max(chunk - unkept, 0)) * ROWS * COLUMNS * BLOCK;
  auto adjoint = chunk_adjoint + (own_head * chunks + chunk) * ROWS * COLUMNS * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;


    gates_part<false, TG> own_gates;
    gates_fetch<false, HAS_RESET, TG>(own_gates, g + row, H, 1, resets, begin, end, steps, simdgroup, lane);
    const TB own_rate = lane >= begin && lane < end ? beta[row + lane * H] : static_cast<TB>(0.0f);

    tile_sum sum;
    tile_sum other;
    tile_clear(sum);
    tile_clear(other);
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TQ, TK>(
          left, q_row + key, 1.0f, right, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      if (key == 0) {
        gates_keep<false, TG>(gates, own_gates, simdgroup, lane);
        if (simdgroup == 0) {
          rates[lane] = static_cast<float>(own_rate);
        }
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_product<TQ, TK>(sum, left, right, simdgroup);
      scores_product<TK, TK>(other, right, right, simdgroup);
    }
    tile_put(sum, after, simdgroup);
    tile_put(other, before, simdgroup);
    gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);

    float grad_rate[TILE_ROWS] = {};
    simdgroup_float8x8 grad_entering[TILE_OWN];
    simdgroup_float8x8 grad_leaving[TILE_OWN];
    tile_clear(grad_entering);
    tile_clear(grad_leaving);
    tile_clear(sum);
    tile_clear(other);
    for (int key = 0; key < Dk; key += TILE) {

      tile_sum grads_q;
      tile_sum reads;
      tile_sum writes;
      tile_clear(grads_q);
      tile_clear(reads);
      tile_clear(writes);
      for (int value = 0; value < Dv; value += TILE) {
        const int corner = (key / 8 * COLUMNS + value / 8) * BLOCK;
        const int inners = COLUMNS - value / 8;
        const int columns = ROWS - key / 8;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        readouts_load<TV>(
            left,
            right,
            pairs,
            grad_row + value,
            update_row + value,
            error_row + value,
            H * Dv,
            Dv - value,
            begin,
            end,
            simdgroup,
            lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        if (key == 0) {
          scores_product<TV, float>(sum, left, pairs, simdgroup);
          scores_product(other, right, pairs, simdgroup);
          readouts_inner(grad_rate, right, pairs, simdgroup, lane);
        }
        if (meets_state) {
          tile_product_state<true, WHOLE, TV>(
              grads_q, left, state + corner, COLUMNS, inners, columns, simdgroup);
          tile_product_state<true, WHOLE>(reads, right, state + corner, COLUMNS, inners, columns, simdgroup);
        }
        if (meets_adjoint) {
          tile_product_state<true, WHOLE>(
              writes, pairs, adjoint + corner, COLUMNS, inners, columns, simdgroup);
        }
      }
      if (key == 0) {
        readouts_grad_rate<TB>(grad_rate, grad_beta + row, H, begin, end, simdgroup, lane);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (int c = simdgroup; c < 8; c += TILE_SIMDGROUPS) {
          entering[lane * ROW_STRIDE + c] = upto[lane];
          leaving[lane * ROW_STRIDE + c] = behind[lane];
          read_rates[lane * ROW_STRIDE + c] = -rates[lane];
          write_rates[lane * ROW_STRIDE + c] = rates[lane];
        }
        tile_put(sum, left, simdgroup);
        tile_put(other, right, simdgroup);
        simdgroup_barrier(mem_flags::mem_threadgroup);



        float weight = gates_between<HAS_RESET>(gates, simdgroup * TILE_ROWS, lane);
#pragma unroll
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = simdgroup * TILE_ROWS + s;
          const int pair = i * TILE_STRIDE + lane;
          weight = i == lane ? 1.0f : decayed<HAS_RESET>(weight, gates[i]);
          const float later = lane <= i ? factor * rates[lane] * left[pair] : 0.0f;
          const float earlier = lane < i ? -rates[i] * rates[lane] * right[pair] : 0.0f;
          pairs[pair] = lane < i ? later * after[pair] + earlier * before[pair] : 0.0f;
          after[pair] = later * weight;
          before[pair] = earlier * weight;
          left[pair] = weight;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        grad_gates_of_pairs<HAS_RESET>(grad_gates, pairs, left, gates, begin, end, simdgroup, lane);

#pragma unroll
        for (int s = 0; s < TILE_ROWS; ++s) {
          const int i = simdgroup * TILE_ROWS + s;
          if (lane > i) {
            before[i * TILE_STRIDE + lane] = before[lane * TILE_STRIDE + i];
          }
        }
      }

      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load_both<TQ, TK>(
          left, q_row + key, 1.0f, right, k_row + key, Hk * Dk, Dk - key, begin, end, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (from_zero) {
        tile_clear(grads_q);
        tile_clear(reads);
      }
      tile_times(grads_q, factor);
      tile_weigh(grads_q, grad_entering, left, entering, simdgroup);
      tile_product_lower<false, TK>(grads_q, after, right, simdgroup);
      tile_put(grads_q, pairs, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<GRAD_Q>(pairs, grad_q_head + row * Dk + key, H * Dk, Dk - key, begin, end, simdgroup, lane);

      tile_scale<false>(reads, read_rates, simdgroup);
      tile_weigh(reads, grad_entering, right, entering, simdgroup);
      tile_scale<false>(writes, write_rates, simdgroup);
      tile_weigh(writes, grad_leaving, right, leaving, simdgroup);
      tile_add(reads, writes);
      tile_product<false, false, float, TK>(reads, before, right, simdgroup);
      tile_product_lower<true, TQ>(reads, after, left, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(reads, pairs, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<GRAD_K>(pairs, grad_k_head + row * Dk + key, H * Dk, Dk - key, begin, end, simdgroup, lane);
    }


    const bool carries = meets_state && meets_adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    grad_decay_parts(partial, state, adjoint, ROWS * COLUMNS * BLOCK, carries, simdgroup, lane);
    row_sums(grad_entering, pairs, left, simdgroup, lane);
    row_sums(grad_leaving, pairs + TILE, right, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0 && lane >= begin && lane < end) {
      const float decay = from_zero ? 0.0f : partial[0] + partial[1];
      const float earlier = lane > 0 ? entering[(lane - 1) * ROW_STRIDE] : 1.0f;
      const float by_states =
          grad_gate_of_states<HAS_RESET>(pairs, pairs + TILE, decay, gates, earlier, behind[lane], lane);
      const bool forgets = HAS_RESET && resets[lane];
      grad_g[row + static_cast<long>(lane) * H] =
          static_cast<TG>(forgets ? 0.0f : grad_gates[lane] + by_states);
    }
    begin = end;
  } while (HAS_RESET && begin < steps);

}

template [[host_name("custom_kernel_gated_delta_keys_7678f2d5__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gated_delta_keys_7678f2d5__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, 33, 20, 4, 2, 1>) custom_kernel_gated_delta_keys_7678f2d5__float_float_float_float_float_float_float_33_20_4_2_1_float_float_float_float_bool_floatc_float_float_float_float_float_float_float_float_float<float, float, float, float, float, float, float, 33, 20, 4, 2, 1>;
