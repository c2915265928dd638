// ssd with one A a head, rows mixed over time. With x[t] = delta[t] A and M[i][j] = exp(x[j+1] + ... + x[i])
// for j <= i:
//   (1) forward: o[i] = sum over j <= i of M[i][j] (q[i] . k[j]) delta[j] v[j]
//   (2) REVERSE: o[j] = delta[j] * sum over i >= j of M[i][j] (q[j] . k[i]) v[i]
// These are, as (q, k, v; the partner that DOTS multiply o with):
//   y (1)      C, B, u
//   grad_u (2) B, C, grad_y; u      grad_delta's part, o[j] . u[j] without the factor delta[j] of (2)
//   grad_C (1) grad_y, u, B; C      the pairs that cross step t, of a tile and those before it
//   grad_B (2) u, grad_y, C; B      o[j] . B[j] of the pairs that end in a later tile
// q, k are [B, L, heads, R], v is [B, L, heads, V]. Dao and Gu 2024, arXiv:2405.21060, section 6.
//
// A threadgroup owns 64 values of a span of SPAN * 32 steps, of SHARE heads one after the other, whose
// outputs add up. It walks over the span tile by tile with the state S in registers: with P[i] the decay of a
// tile up to step i and E[j] that after step j,
//   (3) o[i] = P[i] S q[i] + sum over j <= i of the tile
//   (4) S = decay S + sum over j of the tile of E[j] delta[j] v[j] (x) k[j]
// and REVERSE with E for P. A tile is cut at its resets; what lies outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/gates.h"
#include "pairs.h"
#include "span.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TP,
    typename Delta,
    typename TypeA,
    typename TO,
    int R,
    int V,
    int H,
    int Q_HEADS,
    int K_HEADS,
    int V_HEADS,
    int SHARE,
    int SPAN,
    int DEEP,
    bool AHEAD,
    bool REVERSE,
    bool TURNED,
    int DOTS,
    bool HAS_RESET>
[[kernel]] void ssd_mix(
    const device TQ* q,              // [B, L, G, N] or [B, L, H, Dh]
    const device TK* k,              // [B, L, G, N] or [B, L, H, Dh]
    const device TV* v,              // [B, L, G, N] or [B, L, H, Dh]
    const device TP* partner,        // [B, L, G, N] or [B, L, H, Dh]
    const device Delta* delta,       // [B, L, H]
    const device TypeA* A,           // [H, N] or [H]
    const device bool* reset,        // [B, L]
    const device float* span_state,  // [B, H, SPANS, KEYS, VALUES, 8, 8]
    device TO* mixed,                // [B, L, H, Dh] or [B, L, G, SETS, N]
    device float* dots,              // [1] or [VALUE_GROUPS, B, L, H] or [KEY_GROUPS, B, L, H]
    const constant int* delta_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  using sizes = span_sizes<R, V, DEEP>;
  constexpr int OUT_HEADS = H / SHARE;
  threadgroup float query_tiles[2 * TILE_SIZE];
  threadgroup float key_tiles[2 * TILE_SIZE];
  threadgroup float value_tiles[2 * TILE_SIZE];
  threadgroup float pairs[TILE_SIZE];
  threadgroup float reads[TILE];
  threadgroup float writes[TILE];
  threadgroup float logs[TILE];
  threadgroup float rates[TILE];

  const int L = delta_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int owner = simdgroup % sizes::OWNERS;
  const int part = simdgroup / sizes::OWNERS;
  const int span = threadgroup_position_in_grid.x / sizes::GROUPS;
  const int group = threadgroup_position_in_grid.x % sizes::GROUPS;
  const int value = group * SPAN_VALUES;
  const long batch = threadgroup_position_in_grid.z;
  const int spans = (L + SPAN * TILE - 1) / (SPAN * TILE);
  const int tiles = min(SPAN, (L - span * SPAN * TILE + TILE - 1) / TILE);
  const bool leads = span == 0 && batch == 0 && threadgroup_position_in_grid.y == 0;
  if (DOTS == DOTS_NONE && leads && simdgroup == 0 && lane == 0) {
    dots[0] = 0.0f;
  }
  const steps_place place = steps_placed(query_tiles + simdgroup * BLOCK, lane);

  for (int share = 0; share < SHARE; ++share) {
    const int out_head = threadgroup_position_in_grid.y;
    const int head = out_head * SHARE + share;
    const float A_head = static_cast<float>(A[head]);
    const span_blocks at =
        span_blocks_at<R, V, DEEP, TURNED>((batch * H + head) * spans + span, value + owner * 16, part);
    walk_state<SPAN_WIDE, sizes::TALL> S;
    span_load<sizes::TALL, TURNED>(S, span_state, at);

    // A piece after the other; `done` steps of a tile lie in pieces before.
    int step = 0;
    int done = 0;
    while (step < tiles) {
      const int tile = span * SPAN + (REVERSE ? tiles - 1 - step : step);
      const int steps = min(TILE, L - tile * TILE);
      const long first = batch * L + tile * TILE;
      auto resets = reset + (HAS_RESET ? first : 0);
      const bool carries = first_reset<HAS_RESET>(resets, steps) == steps;
      tile_place rows;
      rows.simdgroup = simdgroup;
      rows.lane = lane;
      rows.end = REVERSE ? steps - done : first_reset<HAS_RESET>(resets, steps, done + 1);
      rows.begin = REVERSE ? last_reset<HAS_RESET>(resets, rows.end) : done;
      const bool from_start = rows.begin == 0 && !(HAS_RESET && resets[0]);
      const bool to_end = rows.end == steps;
      const bool reads_state = REVERSE ? to_end : from_start;
      const bool writes_state = REVERSE ? from_start : to_end;
      const bool last_piece = REVERSE ? rows.begin == 0 : to_end;

      span_columns<TV, sizes::ROWS, sizes::VALUE_TILES> own_v;
      span_columns<TQ, sizes::ROWS, sizes::TILES> own_q;
      span_columns<TK, sizes::ROWS, sizes::TILES> own_k;
      auto q_rows = q + (first * Q_HEADS + head / (H / Q_HEADS)) * R;
      auto k_rows = k + (first * K_HEADS + head / (H / K_HEADS)) * R;
      const long v_row = (first * V_HEADS + head / (H / V_HEADS)) * V + value;
      span_fetch<AHEAD>(own_v, v + v_row, V_HEADS * V, V - value, rows);
      span_fetch<AHEAD>(own_q, q_rows, Q_HEADS * R, R, rows);
      span_fetch<AHEAD>(own_k, k_rows, K_HEADS * R, R, rows);

      // The decays of the piece.
      const bool live = lane >= rows.begin && lane < rows.end;
      const float rate = live ? static_cast<float>(delta[(first + lane) * H + head]) : 0.0f;
      const bool starts = HAS_RESET && live && resets[lane];
      const span_decays decays = span_decays_of(live && !starts ? rate * A_head : 0.0f, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup == 0) {
        reads[lane] = !reads_state ? 0.0f : REVERSE ? decays.after : decays.upto;
        writes[lane] = REVERSE ? decays.upto : decays.after * rate;
        logs[lane] = decays.log_upto;
        rates[lane] = rate;
      }
      span_fetch<!AHEAD>(own_v, v + v_row, V_HEADS * V, V - value, rows);
      span_keep(value_tiles, own_v, rows);

      // (3) and (4), and the scores of the tile's pairs, 64 columns of q and k at a time.
      steps_values<SPAN_WIDE> out;
      steps_values<SPAN_WIDE> written;
      pair_scores<sizes::SIMDGROUPS> scores;
      steps_clear<SPAN_WIDE>(out);
      scores_clear(scores);
      for (int owning = 0; owning < sizes::PARTS; ++owning) {
#pragma clang loop unroll(full)
        for (int own = 0; own < DEEP && own < sizes::SLICES; ++own) {
          const int slice = owning * DEEP + own;
          if (slice < sizes::SLICES) {
            auto q_slice = q_rows + slice * 64;
            auto k_slice = k_rows + slice * 64;
            if (slice > 0) {
              span_fetch<AHEAD>(own_q, q_slice, Q_HEADS * R, R - slice * 64, rows);
              span_fetch<AHEAD>(own_k, k_slice, K_HEADS * R, R - slice * 64, rows);
              threadgroup_barrier(mem_flags::mem_threadgroup);
            }
            span_fetch<!AHEAD>(own_q, q_slice, Q_HEADS * R, R - slice * 64, rows);
            span_keep(query_tiles, own_q, rows);
            span_fetch<!AHEAD>(own_k, k_slice, K_HEADS * R, R - slice * 64, rows);
            span_keep(key_tiles, own_k, rows);
            threadgroup_barrier(mem_flags::mem_threadgroup);
            if (AHEAD && slice == 0) {
              span_values(written, value_tiles, owner);
              steps_scale<SPAN_WIDE, HAS_RESET>(written, writes, place);
            }
            if (REVERSE) {
              scores_add<sizes::BLOCKS, TK, TQ>(scores, key_tiles, query_tiles, simdgroup);
            } else {
              scores_add<sizes::BLOCKS, TQ, TK>(scores, query_tiles, key_tiles, simdgroup);
            }
            if (owning == part) {
              const int block = own * sizes::BLOCKS;
              span_read<sizes::BLOCKS, sizes::TALL, TQ>(out, S, query_tiles, block);
              span_fade<sizes::BLOCKS, sizes::TALL>(
                  S, block, last_piece ? decays.whole : 1.0f, carries || !last_piece);
              if (!AHEAD && own == 0) {
                span_values(written, value_tiles, owner);
                steps_scale<SPAN_WIDE, HAS_RESET>(written, writes, place);
              }
              if (writes_state) {
                span_write<sizes::BLOCKS, sizes::TALL, TK>(S, written, key_tiles, block);
              }
            }
          }
        }
      }
      span_columns<TP, sizes::ROWS, sizes::VALUE_TILES> partners;
      if (DOTS != DOTS_NONE) {
        span_fetch<AHEAD>(partners, partner + v_row, V_HEADS * V, V - value, rows);
      }
      steps_scale<SPAN_WIDE, true>(out, reads, place);
      scores_put(scores, pairs, simdgroup);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      pairs_weigh<!REVERSE, sizes::ROWS>(pairs, logs, rates, rows);
      span_sum<sizes::OWNERS, sizes::PARTS>(out, query_tiles, simdgroup);
      if (DOTS != DOTS_NONE) {
        span_fetch<!AHEAD>(partners, partner + v_row, V_HEADS * V, V - value, rows);
        span_keep(key_tiles, partners, rows);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      float dot = 0.0f;
      if (DOTS == DOTS_CROSSING || DOTS == DOTS_PAIRS) {
        dot = span_dot<sizes::OWNERS>(out, key_tiles, query_tiles, part, owner, lane);
        dot = DOTS == DOTS_PAIRS ? sums_from(dot, lane) : reads_state ? dot * rate : 0.0f;
      }
      if (DOTS == DOTS_PAIRS) {
        dot += pairs_crossing<sizes, TP, TV>(pairs, key_tiles, value_tiles, query_tiles, rows);
      }
      if (part == 0) {
        span_values(written, value_tiles, owner);
        pairs_read<REVERSE, TV>(out, written, pairs);
      }
      if (DOTS == DOTS_ALL) {
        dot = span_dot<sizes::OWNERS>(out, key_tiles, query_tiles, part, owner, lane);
      }
      if (DOTS != DOTS_NONE) {
        if (simdgroup == 0 && live) {
          const long sequences = delta_shape[0];
          dots[((group * sequences * L) + first + lane) * H + head] = dot;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      if (REVERSE) {
        steps_scale<SPAN_WIDE, true>(out, rates, place);
      }
      if (part == 0) {
        span_put(out, query_tiles, owner);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      span_store<TO, sizes::ROWS, sizes::VALUE_TILES>(
          query_tiles,
          mixed + (first * OUT_HEADS + out_head) * V + value,
          OUT_HEADS * V,
          V - value,
          share > 0,
          rows);

      done = last_piece ? 0 : REVERSE ? steps - rows.begin : rows.end;
      step += last_piece ? 1 : 0;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}
