// ssd with one A a head, what spans of SPAN * 32 steps add to the state, summed up over legs of LEG spans, as
// if a leg began with 0. With x[t] = delta[t] A, over the steps from the leg's first to the span's last:
//   (1) forward: S = sum over t of exp(x[t+1] + ... + x[last]) rate[t] value[t] (x) key[t]
//   (2) decay = the sum of x, the logarithm of what these steps leave of a state
// and REVERSE, over those from the span's first to the leg's last:
//   (3) G = sum over t of exp(x[first] + ... + x[t]) value[t] (x) key[t].
// Forward keys are B, values u and rates delta, which gives the states; REVERSE keys are C and values grad_y,
// which gives their adjoints. From a reset on (before it, REVERSE) a leg forgets: then decay is -inf. keys
// are [B, L, G, R], values [B, L, H, V]. Dao and Gu 2024, arXiv:2405.21060, section 6.
//
// A threadgroup owns 64 values of one head and one leg. A simdgroup keeps 16 of them and up to DEEP * 64
// keys.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/uniform.h"
#include "pieces.h"
#include "products.h"
#include "span.h"
#include "span_state.h"

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
    int LEG,
    int DEEP,
    bool RAW,
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
  using Tile = conditional_t<RAW, TV, float>;
  constexpr int SIZE = RAW ? RAW_SIZE : TILE_SIZE;
  // Slices of keys that are staged at once.
  constexpr int STAGED = RAW ? sizes::SLICES : 1;
  threadgroup Tile key_tiles[STAGED * 2 * SIZE];
  threadgroup Tile value_tiles[2 * SIZE];
  threadgroup float weights[TILE];
  threadgroup float whole[1];

  const int L = values_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int owner = simdgroup % sizes::OWNERS;
  const int part = simdgroup / sizes::OWNERS;
  const int leg = threadgroup_position_in_grid.x / sizes::GROUPS;
  const int value = threadgroup_position_in_grid.x % sizes::GROUPS * SPAN_VALUES;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int spans = (L + SPAN * TILE - 1) / (SPAN * TILE);
  const int start = leg * LEG * SPAN;
  const span_tiles tiles = {start, min(LEG * SPAN, (L + TILE - 1) / TILE - start), L};
  const float A_head = static_cast<float>(A[head]);
  auto scratch = reinterpret_cast<threadgroup float*>(key_tiles) + simdgroup * BLOCK;
  const steps_place elements = steps_placed(scratch, lane);
  auto resets = reset + (HAS_RESET ? batch * L : 0);

  walk_state<SPAN_WIDE, sizes::TALL> S;
  walk_clear<SPAN_WIDE, sizes::TALL>(S);
  float decay = 0.0f;
  bool forgets = false;
  for (int step = 0; step < tiles.count; ++step) {
    const span_remainder tile = span_remainder_at<REVERSE, HAS_RESET>(tiles, resets, step);
    const tile_place rows = {tile.begin, tile.end, simdgroup, lane};
    const long first = batch * L + tile.row;
    auto tile_values = view_of(values + (first * H + head) * V + value, H * V, V - value);
    auto tile_keys = view_of(keys + (first * G + head / (H / G)) * R, G * R, R);
    span_rows<RAW, TV, sizes::ROWS, sizes::VALUE_TILES> own_values;
    span_rows<RAW, TK, sizes::ROWS, sizes::TILES> own_keys[STAGED];
    span_fetch<true>(own_values, tile_values, rows);
    for (int s = 0; s < STAGED; ++s) {
      span_fetch<true>(own_keys[s], rows_from(tile_keys, 0, s * 64), rows);
    }
    // The decays. A rate a step costs as much to load as a row, so one simdgroup does.
    const bool live = simdgroup == 0 && lane >= rows.begin && lane < rows.end;
    const float rate = live ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
    const float x = live && !(HAS_RESET && resets[tile.row + lane]) ? rate * A_head : 0.0f;
    const span_decays decays = span_decays_of(x, lane);
    decay += uniform_sum(x);
    forgets = forgets || !tile.carries;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simdgroup == 0) {
      weights[lane] = REVERSE ? decays.upto : decays.after * rate;
      if (lane == 0) {
        whole[0] = decays.whole;
      }
    }
    span_keep(value_tiles, own_values, rows);
    steps_values<SPAN_WIDE> own;
#pragma clang loop unroll(full)
    for (int slice = 0; slice < sizes::SLICES; ++slice) {
      if (slice % STAGED == 0) {
        if (slice > 0) {
          span_fetch<true>(own_keys[0], rows_from(tile_keys, 0, slice * 64), rows);
          threadgroup_barrier(mem_flags::mem_threadgroup);
        }
        for (int s = 0; s < STAGED; ++s) {
          span_keep(tile_at(key_tiles, s * 2), own_keys[s], rows);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      if (slice == 0) {
        span_values(own, value_tiles, owner);
        steps_scale<SPAN_WIDE, HAS_RESET>(own, weights, elements);
      }
      if (slice / DEEP == part) {
        const span_step change = {whole[0], tile.carries, true};
        span_advance<sizes::BLOCKS, sizes::TALL, float, TK>(
            S, own, tile_at(key_tiles, slice % STAGED * 2), slice % DEEP * sizes::BLOCKS, change);
      }
    }

    const int number = tile.row / TILE;
    const bool ends = REVERSE ? number % SPAN == 0 : number % SPAN == SPAN - 1 || step == tiles.count - 1;
    if (ends) {
      const long state = (batch * H + head) * spans + number / SPAN;
      span_save<sizes::TALL, false>(
          S, span_state, span_blocks_at<R, V, DEEP, false>(state, value + owner * 16, part));
      if (simdgroup == 0 && lane == 0 && value == 0) {
        span_decay[state] = forgets ? -INFINITY : decay;
      }
    }
  }
}
