// ssd with one A a head, what each span of SPAN * 32 steps adds to the state, as if it began with 0. With
// x[t] = delta[t] A:
//   (1) forward: S = sum over t of exp(x[t+1] + ... + x[last]) rate[t] value[t] (x) key[t]
//   (2) REVERSE: G = sum over t of exp(x[first] + ... + x[t]) value[t] (x) key[t]
//   (3) decay = x[first] + ... + x[last], the logarithm of what the span leaves of a state.
// Forward keys are B, values u and rates delta, which gives the states; REVERSE keys are C and values grad_y,
// which gives their adjoints. From a reset on (before it, REVERSE) a span forgets: then decay is -inf. keys
// are [B, L, G, R], values [B, L, H, V]. Dao and Gu 2024, arXiv:2405.21060, section 6.
//
// A threadgroup owns 64 values of one head and one span. A simdgroup keeps 16 of them and up to DEEP * 64
// keys.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/uniform.h"
#include "span.h"

using namespace metal;

template <
    typename TK,
    typename TV,
    typename Delta,
    typename TypeA,
    int R,
    int V,
    int H,
    int G,
    int SPAN,
    int DEEP,
    bool REVERSE,
    bool HAS_RESET>
[[kernel]] void ssd_span_states(
    const device TK* keys,      // [B, L, G, N]
    const device TV* values,    // [B, L, H, Dh]
    const device Delta* delta,  // [B, L, H]
    const device TypeA* A,      // [H, N] or [H]
    const device bool* reset,   // [B, L]
    device float* span_state,   // [B, H, SPANS, KEYS, VALUES, 8, 8]
    device float* span_decay,   // [B, H, SPANS]
    const constant int* values_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  using sizes = span_sizes<R, V, DEEP>;
  threadgroup float key_tiles[2 * TILE_SIZE];
  threadgroup float value_tiles[2 * TILE_SIZE];
  threadgroup float weights[TILE];

  const int L = values_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int owner = simdgroup % sizes::OWNERS;
  const int part = simdgroup / sizes::OWNERS;
  const int span = threadgroup_position_in_grid.x / sizes::GROUPS;
  const int value = threadgroup_position_in_grid.x % sizes::GROUPS * SPAN_VALUES;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int spans = (L + SPAN * TILE - 1) / (SPAN * TILE);
  const int tiles = min(SPAN, (L - span * SPAN * TILE + TILE - 1) / TILE);
  const float A_head = static_cast<float>(A[head]);
  const steps_place place = steps_placed(key_tiles + simdgroup * BLOCK, lane);

  walk_state<SPAN_WIDE, sizes::TALL> S;
  walk_clear<SPAN_WIDE, sizes::TALL>(S);
  float decay = 0.0f;
  bool forgets = false;
  for (int step = 0; step < tiles; ++step) {
    const int tile = span * SPAN + (REVERSE ? tiles - 1 - step : step);
    const int steps = min(TILE, L - tile * TILE);
    const long first = batch * L + tile * TILE;
    auto resets = reset + (HAS_RESET ? first : 0);

    // What comes before a tile's last reset does not leave it; what comes from its first one on does not
    // enter.
    const int first_cut = first_reset<HAS_RESET>(resets, steps);
    const bool carries = first_cut == steps;
    tile_place rows;
    rows.begin = REVERSE ? 0 : last_reset<HAS_RESET>(resets, steps);
    rows.end = REVERSE ? first_cut : steps;
    rows.simdgroup = simdgroup;
    rows.lane = lane;
    span_columns<TV, sizes::ROWS, sizes::VALUE_TILES> own_values;
    span_columns<TK, sizes::ROWS, sizes::TILES> own_keys;
    auto key_rows = keys + (first * G + head / (H / G)) * R;
    span_fetch<true>(own_values, values + (first * H + head) * V + value, H * V, V - value, rows);
    span_fetch<true>(own_keys, key_rows, G * R, R, rows);
    const bool live = lane >= rows.begin && lane < rows.end;
    const float rate = live ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
    const float x = live && !(HAS_RESET && resets[lane]) ? rate * A_head : 0.0f;
    const span_decays decays = span_decays_of(x, lane);
    decay += uniform_sum(x);
    forgets = forgets || !carries;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0) {
      weights[lane] = REVERSE ? decays.upto : decays.after * rate;
    }
    span_keep(value_tiles, own_values, rows);
    span_fade<sizes::TALL, sizes::TALL>(S, 0, decays.whole, carries);
    steps_values<SPAN_WIDE> own;
#pragma clang loop unroll(full)
    for (int slice = 0; slice < sizes::SLICES; ++slice) {
      if (slice > 0) {
        span_fetch<true>(own_keys, key_rows + slice * 64, G * R, R - slice * 64, rows);
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      span_keep(key_tiles, own_keys, rows);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (slice == 0) {
        span_values(own, value_tiles, owner);
        steps_scale<SPAN_WIDE, HAS_RESET>(own, weights, place);
      }
      if (slice / DEEP == part) {
        span_write<sizes::BLOCKS, sizes::TALL, TK>(S, own, key_tiles, slice % DEEP * sizes::BLOCKS);
      }
    }
  }

  const long state = (batch * H + head) * spans + span;
  const span_blocks at = span_blocks_at<R, V, DEEP, false>(state, value + owner * 16, part);
  span_save<sizes::TALL, false>(S, span_state, at);
  if (simdgroup == 0 && lane == 0 && value == 0) {
    span_decay[state] = forgets ? -INFINITY : decay;
  }
}
