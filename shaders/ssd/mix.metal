// ssd with one A a head, rows mixed over time. With x[t] = delta[t] A and M[i][j] = exp(x[j+1] + ... + x[i])
// for j <= i:
//   (1) forward: o[i] = sum over j <= i of M[i][j] (q[i] . k[j]) delta[j] v[j]
//   (2) REVERSE: o[j] = delta[j] * sum over i >= j of M[i][j] (q[j] . k[i]) v[i]
// These are, as (q, k, v; the partner that DOTS multiply o with):
//   y (1)      C, B, u
//   grad_u (2) B, C, grad_y; u      grad_delta's part, o[j] . u[j] without the factor delta[j] of (2)
//   grad_C (1) grad_y, u, B; C      the pairs that cross step t, of a tile and those before it
//   grad_B (2) u, grad_y, C; B      o[j] . B[j] of the pairs that end in a later tile
// q, k are [B, L, heads, R], v is [B, L, heads, V]. The scores q . k of heads that share B and C are what
// scores.metal makes of these; TURNED they are a head's own. Dao and Gu 2024, arXiv:2405.21060, section 6.
//
// A threadgroup owns 64 values of a span of SPAN * 32 steps, of SHARE heads one after the other, whose
// outputs add up. It walks over the span tile by tile with the state S in registers: with P[i] the decay of a
// tile up to step i and E[j] that after step j,
//   (3) o[i] = P[i] S q[i] + sum over j <= i of the tile
//   (4) S = decay S + sum over j of the tile of E[j] delta[j] v[j] (x) k[j]
// and REVERSE with E for P. S begins as what enters the span's leg, decayed, and what the leg adds before the
// span. A tile is cut at its resets; what lies outside a piece counts as 0.
#include <metal_stdlib>

#include "../common/gates.h"
#include "pairs.h"
#include "pieces.h"
#include "products.h"
#include "span.h"
#include "span_state.h"

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
    int LEG,
    int DEEP,
    bool AHEAD,
    bool RAW,
    bool REVERSE,
    bool TURNED,
    int DOTS,
    bool HAS_RESET>
[[kernel]] void ssd_mix(
    const device TQ* q,              // [B, L, G, N] or [B, L, H, Dh]
    const device TK* k,              // [B, L, G, N] or [B, L, H, Dh]
    const device TV* v,              // [B, L, G, N] or [B, L, H, Dh]
    const device TP* partner,        // [B, L, G, N] or [B, L, H, Dh]
    const device float* scores,      // [B, G, CHUNKS, 32, 32]
    const device Delta* delta,       // [B, L, H]
    const device TypeA* A,           // [H, N] or [H]
    const device bool* reset,        // [B, L]
    const device float* leg_state,   // [B, H, LEGS, KEYS, VALUES, 8, 8]
    const device float* span_state,  // [B, H, SPANS, KEYS, VALUES, 8, 8]
    const device float* decay,       // [B, H, SPANS]
    device TO* mixed,                // [B, L, H, Dh] or [B, L, G, SETS, N]
    device float* dots,              // [1] or [VALUE_GROUPS, B, L, H] or [KEY_GROUPS, B, L, H]
    const constant int* delta_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  using sizes = span_sizes<R, V, DEEP>;
  using Tile = conditional_t<RAW, TQ, float>;
  // What makes outputs of 16 bits and nothing else may be rounded.
  using Rounded = conditional_t<RAW && DOTS == DOTS_NONE, TQ, float>;
  constexpr int OUT_HEADS = H / SHARE;
  constexpr int SIZE = RAW ? RAW_SIZE : TILE_SIZE;
  // Slices that are staged at once.
  constexpr int STAGED = RAW && sizes::SLICES == 2 ? 2 : 1;
  // Queries, and later what simdgroups exchange.
  threadgroup float scratch[STAGED == 2 ? 2 * RAW_SIZE : 2 * TILE_SIZE];
  threadgroup Tile key_tiles[STAGED * 2 * SIZE];
  threadgroup Tile value_tiles[2 * SIZE];
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
  const int chunks = (L + TILE - 1) / TILE;
  const int spans = (chunks + SPAN - 1) / SPAN;
  const int legs = (spans + LEG - 1) / LEG;
  const span_tiles tiles = {span * SPAN, min(SPAN, chunks - span * SPAN), L};
  const span_entry entry = span_entered<LEG, REVERSE>(span, spans);
  const bool leads = span == 0 && batch == 0 && threadgroup_position_in_grid.y == 0;
  if (DOTS == DOTS_NONE && leads && simdgroup == 0 && lane == 0) {
    dots[0] = 0.0f;
  }
  auto query_tiles = reinterpret_cast<threadgroup Tile*>(scratch);
  const steps_place elements = steps_placed(scratch + simdgroup * BLOCK, lane);
  auto resets = reset + (HAS_RESET ? batch * L : 0);

  for (int share = 0; share < SHARE; ++share) {
    const int out_head = threadgroup_position_in_grid.y;
    const int head = out_head * SHARE + share;
    const float A_head = static_cast<float>(A[head]);
    const long sequence = batch * H + head;
    const long v_first = (batch * L * V_HEADS + head / (H / V_HEADS)) * V + value;
    auto all_v = view_of(v + v_first, V_HEADS * V, V - value);
    auto all_partners = view_of(partner + v_first, V_HEADS * V, V - value);
    auto all_q = view_of(q + (batch * L * Q_HEADS + head / (H / Q_HEADS)) * R, Q_HEADS * R, R);
    auto all_k = view_of(k + (batch * L * K_HEADS + head / (H / K_HEADS)) * R, K_HEADS * R, R);
    auto all_scores =
        view_of(scores + (batch * Q_HEADS + head / (H / Q_HEADS)) * chunks * TILE * TILE, TILE, TILE);
    auto all_mixed =
        view_of(mixed + (batch * L * OUT_HEADS + out_head) * V + value, OUT_HEADS * V, V - value);

    span_piece piece = span_piece_at<REVERSE, HAS_RESET>(tiles, resets, 0, 0);

    walk_state<SPAN_WIDE, sizes::TALL> S;
    span_load<sizes::TALL, TURNED>(
        S,
        leg_state,
        span_blocks_at<R, V, DEEP, TURNED>(sequence * legs + entry.leg, value + owner * 16, part));
    if (LEG > 1) {
      const long before = sequence * spans + (entry.first ? span : entry.before);
      span_add<sizes::TALL, TURNED>(
          S,
          span_state,
          span_blocks_at<R, V, DEEP, TURNED>(before, value + owner * 16, part),
          entry.first ? 1.0f : precise::exp(decay[before]),
          !entry.first);
    }

    while (piece.tiles < tiles.count) {
      const tile_place rows = {piece.begin, piece.end, simdgroup, lane};
      span_rows<RAW, TV, sizes::ROWS, sizes::VALUE_TILES> own_v;
      span_rows<RAW, TQ, sizes::ROWS, sizes::TILES> own_q[STAGED];
      span_rows<RAW, TK, sizes::ROWS, sizes::TILES> own_k[STAGED];
      span_fetch<AHEAD>(own_v, rows_from(all_v, piece.row), rows);
      span_fetch<AHEAD>(own_q[0], rows_from(all_q, piece.row), rows);
      span_fetch<AHEAD>(own_k[0], rows_from(all_k, piece.row), rows);
      span_fetch<(STAGED == 2)>(own_q[STAGED - 1], rows_from(all_q, piece.row, 64), rows);
      span_fetch<(STAGED == 2)>(own_k[STAGED - 1], rows_from(all_k, piece.row, 64), rows);

      float own_scores[sizes::ROWS];
      if (!TURNED) {
        tile_fetch<float>(own_scores, rows_from(all_scores, piece.row), rows);
      }

      // The decays of the piece. A rate a step costs as much to load as a row, so one simdgroup does.
      const bool live = simdgroup == 0 && lane >= rows.begin && lane < rows.end;
      const long step = batch * L + piece.row + lane;
      const float rate = live ? static_cast<float>(delta[step * H + head]) : 0.0f;
      const bool starts = HAS_RESET && live && resets[piece.row + lane];
      const span_decays decays = span_decays_of(live && !starts ? rate * A_head : 0.0f, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup == 0) {
        reads[lane] = !piece.reads ? 0.0f : REVERSE ? decays.after : decays.upto;
        writes[lane] = REVERSE ? decays.upto : decays.after * rate;
        logs[lane] = decays.log_upto;
        rates[lane] = rate;
      }
      span_fetch<!AHEAD>(own_v, rows_from(all_v, piece.row), rows);
      span_keep(value_tiles, own_v, rows);

      // (3) and (4), and TURNED the scores of the tile's pairs, 64 columns of q and k at a time.
      steps_values<SPAN_WIDE> out;
      steps_values<SPAN_WIDE> written;
      pair_scores<sizes::SIMDGROUPS> squares;
      steps_clear<SPAN_WIDE>(out);
      scores_clear(squares);
      for (int owning = 0; owning < sizes::PARTS; ++owning) {
#pragma clang loop unroll(full)
        for (int own = 0; own < DEEP && own < sizes::SLICES; ++own) {
          const int slice = owning * DEEP + own;
          auto queries = tile_at(query_tiles, slice % STAGED * 2);
          auto keys = tile_at(key_tiles, slice % STAGED * 2);
          if (slice < sizes::SLICES) {
            if (slice % STAGED == 0) {
              if (slice > 0) {
                span_fetch<AHEAD>(own_q[0], rows_from(all_q, piece.row, slice * 64), rows);
                span_fetch<AHEAD>(own_k[0], rows_from(all_k, piece.row, slice * 64), rows);
                threadgroup_barrier(mem_flags::mem_threadgroup);
              }
              span_fetch<!AHEAD>(own_q[0], rows_from(all_q, piece.row, slice * 64), rows);
              span_fetch<!AHEAD>(own_k[0], rows_from(all_k, piece.row, slice * 64), rows);
              span_keep(query_tiles, own_q[0], rows);
              span_keep(key_tiles, own_k[0], rows);
              if (STAGED == 2) {
                span_keep(tile_at(query_tiles, 2), own_q[STAGED - 1], rows);
                span_keep(tile_at(key_tiles, 2), own_k[STAGED - 1], rows);
              }
              threadgroup_barrier(mem_flags::mem_threadgroup);
            }
            if (AHEAD && slice == 0) {
              span_values(written, value_tiles, owner);
              steps_scale<SPAN_WIDE, HAS_RESET>(written, writes, elements);
            }
            if (TURNED && REVERSE) {
              scores_add<sizes::BLOCKS, TK, TQ>(squares, keys, queries, simdgroup);
            } else if (TURNED) {
              scores_add<sizes::BLOCKS, TQ, TK>(squares, queries, keys, simdgroup);
            }
            if (owning == part) {
              const int block = own * sizes::BLOCKS;
              const float whole = piece.last ? (REVERSE ? writes : reads)[TILE - 1] : 1.0f;
              const span_step change = {whole, piece.carries || !piece.last, piece.writes};
              span_read<sizes::BLOCKS, sizes::TALL, Rounded, TQ>(out, S, queries, block);
              if (!AHEAD && own == 0) {
                span_values(written, value_tiles, owner);
                steps_scale<SPAN_WIDE, HAS_RESET>(written, writes, elements);
              }
              span_advance<sizes::BLOCKS, sizes::TALL, Rounded, TK>(S, written, keys, block, change);
            }
          }
        }
      }
      span_rows<RAW, TP, sizes::ROWS, sizes::VALUE_TILES> partners;
      // What the heads before have added up, none of it for the first.
      const tile_place summed = {share > 0 ? rows.begin : 0, share > 0 ? rows.end : 0, simdgroup, lane};
      span_columns<TO, sizes::ROWS, sizes::VALUE_TILES> others;
      if (DOTS != DOTS_NONE) {
        span_fetch<AHEAD>(partners, rows_from(all_partners, piece.row), rows);
      }
      span_fetch<(AHEAD && SHARE > 1)>(others, rows_from(all_mixed, piece.row), summed);
      steps_scale<SPAN_WIDE, true>(out, reads, elements);
      if (TURNED) {
        scores_put(squares, pairs, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (TURNED) {
        tile_rows<sizes::ROWS>(own_scores, pairs, simdgroup, lane);
      }
      pairs_weigh<!REVERSE>(pairs, own_scores, logs, rates, rows);
      span_sum<sizes::OWNERS, sizes::PARTS>(out, scratch, simdgroup);
      if (DOTS != DOTS_NONE) {
        span_fetch<!AHEAD>(partners, rows_from(all_partners, piece.row), rows);
        span_keep(key_tiles, partners, rows);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);

      float dot = 0.0f;
      if (DOTS == DOTS_CROSSING || DOTS == DOTS_PAIRS) {
        dot = span_dot<sizes::OWNERS>(out, key_tiles, scratch, part, owner, lane);
        dot = DOTS == DOTS_PAIRS ? sums_from(dot, lane) : piece.reads ? dot * rate : 0.0f;
      }
      if (DOTS == DOTS_PAIRS) {
        dot += pairs_crossing<sizes, TP, TV>(pairs, key_tiles, value_tiles, scratch, rows);
      }
      if (part == 0) {
        span_values(written, value_tiles, owner);
        pairs_read<REVERSE, TV, Rounded>(out, written, pairs);
      }
      if (DOTS == DOTS_ALL) {
        dot = span_dot<sizes::OWNERS>(out, key_tiles, scratch, part, owner, lane);
      }
      if (DOTS != DOTS_NONE) {
        if (live) {
          const long sequences = delta_shape[0];
          dots[(group * sequences * L + step) * H + head] = dot;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
      }
      if (REVERSE) {
        steps_scale<SPAN_WIDE, true>(out, rates, elements);
      }
      if (part == 0) {
        span_put(out, scratch, owner);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      span_fetch<(!AHEAD && SHARE > 1)>(others, rows_from(all_mixed, piece.row), summed);
      span_store<(SHARE > 1)>(scratch, others, rows_from(all_mixed, piece.row), rows);
      piece = span_next<REVERSE, HAS_RESET>(tiles, resets, piece);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}
