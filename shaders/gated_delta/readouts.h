// A step reads the state twice: k[t] before it writes, whose gradient is -beta[t] d[t], and q[t] after, with
// scale * grad_o[t]. What is written is beta[t] e[t].
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gate_gradient.h"
#include "../common/gates.h"
#include "../common/scores.h"
#include "../common/tile.h"

// Tiles and numbers a step in threadgroup memory: grad_o, d and e of 32 values; the scores after = q k^T and
// before = r k^T; numbers a step as rows of 8; and the gates with their products and gradients.
template <typename Floats>
struct readouts_tiles {
  Floats outputs;
  Floats updates;
  Floats errors;
  Floats after;
  Floats before;
  Floats entering;
  Floats leaving;
  Floats read_rates;
  Floats write_rates;
  Floats gates;
  Floats upto;
  Floats behind;
  Floats rates;
  Floats grad_gates;
};

// grad_o, d and e in device memory, of which steps are `stride` apart.
template <typename Grads, typename Errors>
struct readouts_source {
  Grads grad_o;
  Errors grad_update;
  Errors error;
  int stride;
};

template <typename Grads, typename Errors>
METAL_FUNC readouts_source<Grads, Errors> readouts_of(
    Grads grad_o, Errors grad_update, Errors error, int stride) {
  return readouts_source<Grads, Errors>{grad_o, grad_update, error, stride};
}

// Those of `columns` values from `value` on to their tiles, d and e kept in TU: they arrive together if
// AHEAD, else in turn, in fewer registers.
template <typename TV, typename TU, bool AHEAD, typename Floats, typename Source>
METAL_FUNC void readouts_load(
    thread const readouts_tiles<Floats>& at,
    thread const Source& source,
    int value,
    int columns,
    tile_place place) {
  auto grads = view_of(source.grad_o + value, source.stride, columns);
  auto updates = view_of(source.grad_update + value, source.stride, columns);
  auto errors = view_of(source.error + value, source.stride, columns);
  if (AHEAD) {
    TV rows[TILE_ROWS];
    tile_fetch<TV>(rows, grads, place);
    tile_load_both<TU, TU>(at.updates, updates, at.errors, errors, place);
    tile_keep<TV>(at.outputs, rows, 1.0f, place.simdgroup, place.lane);
  } else {
    tile_load<TV>(at.outputs, grads, 1.0f, place);
    tile_load<TU>(at.updates, updates, 1.0f, place);
    tile_load<TU>(at.errors, errors, 1.0f, place);
  }
}

// What a simdgroup sums up over values: D = grad_o u^T and F = d u^T without their rates, and what a lane has
// of d e in each of the own rows.
struct readouts_sums {
  tile_sum later;
  tile_sum earlier;
  float grad_rate[TILE_ROWS];
};

METAL_FUNC void readouts_clear(thread readouts_sums& sums) {
  tile_clear(sums.later);
  tile_clear(sums.earlier);
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; ++i) {
    sums.grad_rate[i] = 0.0f;
  }
}

// Adds those of 32 values.
template <typename TV, typename TU, typename Floats>
METAL_FUNC void readouts_add(
    thread readouts_sums& sums, thread const readouts_tiles<Floats>& at, tile_place place) {
  scores_product<TV, TU>(sums.later, at.outputs, at.errors, place.simdgroup);
  scores_product<TU, TU>(sums.earlier, at.updates, at.errors, place.simdgroup);
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int cell = (place.simdgroup * TILE_ROWS + i) * TILE_STRIDE + place.lane;
    sums.grad_rate[i] = metal::fma(at.updates[cell], at.errors[cell], sums.grad_rate[i]);
  }
}

// The gradient of `rates`, from what the lanes have of it.
template <typename T, typename Grads>
METAL_FUNC void readouts_grad_rate(thread readouts_sums& sums, Grads grads, long stride, tile_place place) {
  const float total = rows_sums(sums.grad_rate, place.lane);
  const int row = place.simdgroup * TILE_ROWS + place.lane / 2;
  if (place.lane % 2 == 0 && row >= place.begin && row < place.end) {
    grads[row * stride] = static_cast<T>(total);
  }
}

// From all values' sums, where after and before have the scores: after = M o D and before = M o F, the latter
// with its transpose unless SPLIT, and the gradients of the gates by M. The other tiles are used up.
template <bool SPLIT, bool RESETS, typename Floats>
METAL_FUNC void readouts_weigh(
    thread const readouts_tiles<Floats>& at, thread readouts_sums& sums, float factor, tile_place place) {
  const int lane = place.lane;
  const int first = place.simdgroup * TILE_ROWS;
  auto products = at.outputs;
  auto earlier_scores = at.updates;
  auto adjoints = at.errors;
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  for (int c = place.simdgroup; c < 8; c += TILE_SIMDGROUPS) {
    at.entering[lane * ROW_STRIDE + c] = at.upto[lane];
    at.leaving[lane * ROW_STRIDE + c] = at.behind[lane];
    at.read_rates[lane * ROW_STRIDE + c] = -at.rates[lane];
    at.write_rates[lane * ROW_STRIDE + c] = at.rates[lane];
  }
  tile_put(sums.later, products, place.simdgroup);
  tile_put(sums.earlier, earlier_scores, place.simdgroup);
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  float weight = gates_between<RESETS>(at.gates, first, lane);
#pragma clang loop unroll(full)
  for (int s = 0; s < TILE_ROWS; ++s) {
    const int i = first + s;
    const int pair = i * TILE_STRIDE + lane;
    weight = i == lane ? 1.0f : decayed<RESETS>(weight, at.gates[i]);
    const float later = lane <= i ? factor * at.rates[lane] * products[pair] : 0.0f;
    const float earlier = lane < i ? -at.rates[i] * at.rates[lane] * earlier_scores[pair] : 0.0f;
    adjoints[pair] = lane < i ? later * at.after[pair] + earlier * at.before[pair] : 0.0f;
    at.after[pair] = later * weight;
    at.before[pair] = earlier * weight;
    products[pair] = weight;
  }
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  grad_gates_of_pairs<RESETS>(at.grad_gates, adjoints, products, at.gates, place);
#pragma clang loop unroll(full)
  for (int s = 0; s < TILE_ROWS; ++s) {
    const int i = first + s;
    if (!SPLIT && lane > i) {
      at.before[i * TILE_STRIDE + lane] = at.before[lane * TILE_STRIDE + i];
    }
  }
}
