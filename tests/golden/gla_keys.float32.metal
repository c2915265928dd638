#line 1 "shaders/gla/keys.metal"









#include <metal_stdlib>

#line 1 "shaders/common/gate_gradient.h"




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

#line 8 "shaders/common/gate_gradient.h"





template <bool RESETS, typename Grads, typename Tile, typename Gates>
inline void grad_gates_of_pairs(
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
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = simdgroup * 8 + i;
    const float total = metal::simd_sum(pairs[row * TILE_STRIDE + lane]);
    if (lane == 0) {
      grads[row] = total;
    }
  }
}



template <typename Parts, typename State>
inline void grad_decay_parts(
    Parts parts, State state, State adjoint, int size, bool carries, int simdgroup, int lane) {
  float inner = 0.0f;
  if (carries) {
    for (int i = simdgroup * TILE + lane; i < size; i += TILE_BLOCKS * TILE) {
      inner += state[i] * adjoint[i];
    }
  }
  inner = metal::simd_sum(inner);
  if (lane == 0) {
    parts[simdgroup] = inner;
  }
}


template <typename Sums, typename Scratch>
inline void row_sums(
    thread metal::simdgroup_float8x8& matrix, Sums sums, Scratch scratch, int simdgroup, int lane) {
  metal::simdgroup_store(matrix, scratch + simdgroup * 64, 8);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  if (lane < 8) {
    float sum = 0.0f;
    for (int c = 0; c < 8; ++c) {
      sum += scratch[simdgroup * 64 + lane * 8 + c];
    }
    sums[simdgroup * 8 + lane] = sum;
  }
}




template <bool RESETS, typename Sums, typename Gates>
inline float grad_gate_of_states(
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

#line 13 "shaders/gla/keys.metal"

#line 1 "shaders/common/scores.h"









#include <metal_stdlib>





template <typename Tile>
inline void scores_product(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS], Tile left, Tile right, int row) {
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, row, inner);
#pragma unroll
    for (int c = 0; c < TILE_BLOCKS; ++c) {
      if (c <= row) {
        const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, c);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}


template <bool RESETS, typename Scores, typename Gates>
inline void scores_decay(Scores scores, Gates gates, int simdgroup, int lane) {
  float weight = gates_between<RESETS>(gates, simdgroup * 8, lane);
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const int at = row * TILE_STRIDE + lane;
    weight = row == lane ? 1.0f : decayed<RESETS>(weight, gates[row]);
    scores[at] = lane <= row ? scores[at] * weight : 0.0f;
  }
}



template <bool SYMMETRIC, typename Masks>
inline void masks_fill(Masks masks, int simdgroup, int lane) {
  const int reach = 4 >> simdgroup;
  for (int at = lane; simdgroup < 3 && at < 64; at += 32) {
    const int difference = at / 8 ^ at % 8;
    const bool level = difference >= reach && difference < 2 * reach;
    masks[simdgroup * 64 + at] = level && (SYMMETRIC || (at / 8 & reach) != 0) ? 1.0f : 0.0f;
  }
}



template <bool RESETS, typename Gates>
inline float decay_to_middle(Gates gates, int row, int reach, int lane) {
  const int middle = row / (2 * reach) * 2 * reach + reach;
  return row >= middle ? gates_product<true, RESETS>(gates, middle, row + 1, lane)
                       : gates_product<true, RESETS>(gates, row + 1, middle, lane);
}


inline bool blocks_meet(int i, int j, int bit) {
  return (i ^ j) >= bit && (i ^ j) < 2 * bit;
}


template <bool RESETS, typename Tile, typename Gates>
inline void tile_meet(
    Tile meeting, Tile later, Tile earlier, Gates gates, int reach, int simdgroup, int lane) {
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const int at = row * TILE_STRIDE + lane;
    meeting[at] =
        ((row & reach) != 0 ? later[at] : earlier[at]) * decay_to_middle<RESETS>(gates, row, reach, lane);
  }
}


template <typename Tile, typename Mask>
inline void scores_add_masked(
    thread metal::simdgroup_float8x8& diagonal, Tile left, Tile right, Mask mask, int simdgroup) {
  metal::simdgroup_float8x8 sum(0.0f);
  metal::simdgroup_float8x8 chosen;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    const metal::simdgroup_float8x8 a = tile_matrix<false>(left, simdgroup, inner);
    const metal::simdgroup_float8x8 b = tile_matrix<true>(right, inner, simdgroup);
    metal::simdgroup_multiply_accumulate(sum, a, b, sum);
  }
  metal::simdgroup_load(chosen, mask, 8);
  diagonal.thread_elements() += chosen.thread_elements() * sum.thread_elements();
}



template <bool RESETS, typename Tile, typename Gates, typename Masks>
inline void scores_add(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    thread metal::simdgroup_float8x8& diagonal,
    thread float& same,
    Tile q,
    Tile k,
    Gates gates,
    Tile meeting,
    Masks masks,
    int simdgroup,
    int lane) {
  for (int reach = TILE / 2; reach >= 8; reach /= 2) {
    const int bit = reach / 8;
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
    for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
      const metal::simdgroup_float8x8 a = tile_matrix<false>(meeting, simdgroup, inner);
#pragma unroll
      for (int c = 0; c < TILE_BLOCKS; ++c) {
        if (c < simdgroup && blocks_meet(simdgroup, c, bit)) {
          const metal::simdgroup_float8x8 b = tile_matrix<true>(meeting, inner, c);
          metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
        }
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
  for (int row = simdgroup * 8; row < simdgroup * 8 + 8; ++row) {
    const float score = metal::simd_sum(q[row * TILE_STRIDE + lane] * k[row * TILE_STRIDE + lane]);
    same += lane == row ? score : 0.0f;
  }
  for (int reach = 4; reach > 0; reach /= 2) {
    tile_meet<RESETS>(meeting, q, k, gates, reach, simdgroup, lane);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    scores_add_masked(
        diagonal,
        meeting,
        meeting,
        masks + (reach == 4   ? 0
                 : reach == 2 ? 64
                              : 128),
        simdgroup);
    metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}



template <typename Pairs, typename Tile, typename Masks>
inline void scores_level(
    thread metal::simdgroup_float8x8 (&sum)[TILE_BLOCKS],
    Pairs pairs,
    Tile meeting,
    Masks masks,
    int reach,
    int simdgroup) {
  const int bit = reach / 8;
  for (int inner = 0; inner < TILE_BLOCKS; ++inner) {
    if (bit == 0 ? inner == simdgroup : blocks_meet(simdgroup, inner, bit)) {
      metal::simdgroup_float8x8 a = tile_matrix<false>(pairs, simdgroup, inner);
      if (bit == 0) {
        metal::simdgroup_float8x8 chosen;
        metal::simdgroup_load(chosen, masks + (reach == 4 ? 0 : reach == 2 ? 64 : 128), 8);
        a.thread_elements() *= chosen.thread_elements();
      }
#pragma unroll
      for (int c = 0; c < TILE_BLOCKS; ++c) {
        const metal::simdgroup_float8x8 b = tile_matrix<false>(meeting, inner, c);
        metal::simdgroup_multiply_accumulate(sum[c], a, b, sum[c]);
      }
    }
  }
}



template <bool RESETS, typename Grads, typename Gates>
inline float grad_gate_after(Grads grads, Gates gates, int first, int row, int last, float carry, int lane) {
  for (int i = last - 1; i > row; --i) {
    carry = decayed<RESETS>(carry + grads[i * TILE_STRIDE + lane], gates[i * TILE_STRIDE + lane]);
  }
  carry += grads[row * TILE_STRIDE + lane];
  return carry * gates_product<true, RESETS>(gates, first, row, lane);
}


template <bool RESETS, typename Grads, typename Gates>
inline float grad_gate_before(Grads grads, Gates gates, int first, int row, int last, int lane) {
  float carry = 0.0f;
  for (int i = first; i < row; ++i) {
    carry = decayed<RESETS>(carry, gates[i * TILE_STRIDE + lane]) + grads[i * TILE_STRIDE + lane];
  }
  return carry * gates_product<true, RESETS>(gates, row + 1, last, lane);
}

#line 15 "shaders/gla/keys.metal"


using namespace metal;

template <typename TQ, typename TK, typename TV, typename TG, int Dk, int Dv, bool HAS_RESET>
[[kernel]] void custom_kernel_gla_keys_e47b008a__float_float_float_float_33_20_1_float_float_float_float_bool_floatc_float_float_float_float_float_float(
  const device float* q [[buffer(0)]],
  const device float* k [[buffer(1)]],
  const constant int* k_shape [[buffer(2)]],
  const device float* v [[buffer(3)]],
  const constant int* v_shape [[buffer(4)]],
  const device float* g [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  const constant float* scale [[buffer(7)]],
  const device float* chunk_state [[buffer(8)]],
  const device float* chunk_adjoint [[buffer(9)]],
  const device float* grad_o [[buffer(10)]],
  device float* grad_q_head [[buffer(11)]],
  device float* grad_k_head [[buffer(12)]],
  device float* grad_g [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 36 "shaders/gla/keys.metal"

  static_assert(Dk <= 256 && Dv <= 256, "a head must not have more than 256 keys or values");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  threadgroup float left[TILE * TILE_STRIDE];
  threadgroup float right[TILE * TILE_STRIDE];
  threadgroup float pairs[TILE * TILE_STRIDE];
  threadgroup float weights[TILE * TILE_STRIDE];
  threadgroup float entering[TILE * 8];
  threadgroup float leaving[TILE * 8];
  threadgroup float gates[TILE];
  threadgroup float upto[TILE];
  threadgroup float behind[TILE];
  threadgroup float grad_gates[TILE];
  threadgroup float partial[TILE_BLOCKS];

  const int L = v_shape[1];
  const int Hk = k_shape[2];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long at = ((static_cast<long>(batch) * H + head) * chunks + chunk) * ROWS * COLUMNS * 64;
  auto q_row = q + (first * Hk + head / (H / Hk)) * Dk;
  auto k_row = k + (first * Hk + head / (H / Hk)) * Dk;
  auto v_row = v + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + at;
  auto adjoint = chunk_adjoint + at;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  gates_load<false, HAS_RESET>(gates, g + row, H, 1, resets, 0, steps, steps, simdgroup, lane);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  gates_products<HAS_RESET>(gates, upto, behind, simdgroup, lane);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float leaves = behind[lane];
  for (int c = simdgroup; c < 8; c += TILE_BLOCKS) {
    entering[lane * 8 + c] = upto[lane];
    leaving[lane * 8 + c] = leaves;
  }

  int begin = 0;
  while (begin < steps) {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;

    simdgroup_float8x8 sum[TILE_BLOCKS];
    tile_clear(sum);
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load(left, q_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      tile_load(right, k_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_product(sum, left, right, simdgroup);
    }
    tile_put(sum, pairs, simdgroup);
    tile_clear(sum);
    for (int value = 0; value < Dv; value += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load(left, grad_row + value, H * Dv, Dv - value, begin, end, factor, simdgroup, lane);
      tile_load(right, v_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      scores_product(sum, left, right, simdgroup);
    }
    tile_put(sum, weights, simdgroup);
    threadgroup_barrier(mem_flags::mem_threadgroup);


    float weight = gates_between<HAS_RESET>(gates, simdgroup * 8, lane);
    for (int i = simdgroup * 8; i < simdgroup * 8 + 8; ++i) {
      const int pair = i * TILE_STRIDE + lane;
      weight = i == lane ? 1.0f : decayed<HAS_RESET>(weight, gates[i]);
      pairs[pair] = lane < i ? pairs[pair] * weights[pair] : 0.0f;
      weights[pair] = lane <= i ? weights[pair] * weight : 0.0f;
      left[pair] = weight;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    grad_gates_of_pairs<HAS_RESET>(grad_gates, pairs, left, gates, begin, end, simdgroup, lane);

    simdgroup_float8x8 grad_entering(0.0f);
    simdgroup_float8x8 grad_leaving(0.0f);
    for (int key = 0; key < Dk; key += TILE) {
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_load(left, q_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      tile_load(right, k_row + key, Hk * Dk, Dk - key, begin, end, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);

      tile_clear(sum);
      for (int value = 0; meets_state && value < Dv; value += TILE) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_load(pairs, grad_row + value, H * Dv, Dv - value, begin, end, factor, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<true>(
            sum,
            pairs,
            state + key * COLUMNS * 8 + value,
            COLUMNS * 8,
            COLUMNS - value / 8,
            ROWS - key / 8,
            simdgroup);
      }
      tile_weigh(sum, grad_entering, left, entering, simdgroup);
      tile_product<false, false>(sum, weights, right, simdgroup, 0, simdgroup + 1);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, pairs, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<float>(pairs, grad_q_head + row * Dk + key, H * Dk, Dk - key, begin, end, simdgroup, lane);

      tile_clear(sum);
      for (int value = 0; meets_adjoint && value < Dv; value += TILE) {
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_load(pairs, v_row + value, H * Dv, Dv - value, begin, end, 1.0f, simdgroup, lane);
        simdgroup_barrier(mem_flags::mem_threadgroup);
        tile_product_state<true>(
            sum,
            pairs,
            adjoint + key * COLUMNS * 8 + value,
            COLUMNS * 8,
            COLUMNS - value / 8,
            ROWS - key / 8,
            simdgroup);
      }
      tile_weigh(sum, grad_leaving, right, leaving, simdgroup);
      tile_product<true, false>(sum, weights, left, simdgroup, simdgroup, TILE_BLOCKS);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_put(sum, pairs, simdgroup);
      simdgroup_barrier(mem_flags::mem_threadgroup);
      tile_store<float>(pairs, grad_k_head + row * Dk + key, H * Dk, Dk - key, begin, end, simdgroup, lane);
    }


    const bool carries = meets_state && meets_adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    grad_decay_parts(partial, state, adjoint, ROWS * COLUMNS * 64, carries, simdgroup, lane);
    row_sums(grad_entering, pairs, left, simdgroup, lane);
    row_sums(grad_leaving, pairs + TILE, right, simdgroup, lane);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0 && lane >= begin && lane < end) {
      const float decay = partial[0] + partial[1] + partial[2] + partial[3];
      const float before = lane > 0 ? entering[(lane - 1) * 8] : 1.0f;
      const float by_states =
          grad_gate_of_states<HAS_RESET>(pairs, pairs + TILE, decay, gates, before, leaves, lane);
      const bool forgets = HAS_RESET && resets[lane];
      grad_g[row + static_cast<long>(lane) * H] =
          static_cast<TG>(forgets ? 0.0f : grad_gates[lane] + by_states);
    }
    begin = end;
  }

}

template [[host_name("custom_kernel_gla_keys_e47b008a__float_float_float_float_33_20_1_float_float_float_float_bool_floatc_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_gla_keys_e47b008a__float_float_float_float_33_20_1_float_float_float_float_bool_floatc_float_float_float_float_float_float<float, float, float, float, 33, 20, 1>) custom_kernel_gla_keys_e47b008a__float_float_float_float_33_20_1_float_float_float_float_bool_floatc_float_float_float_float_float_float<float, float, float, float, 33, 20, 1>;
