// What the rows of a chunk make of the state that entered it and of the adjoint of the one that leaves it, a
// block of both at a time, and the inner product of the two, which is the gradient of all gates' product.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "tile.h"
#include "uniform.h"

// Both from the same block on, and whether the rows meet them.
template <typename Pointer>
struct states_met {
  blocks_view<Pointer> state;
  blocks_view<Pointer> adjoint;
  bool enters;
  bool leaves;
};

// Sums over values of rows times a state: what queries and, if there are READS, other rows read of the state,
// and what rows write to the adjoint.
struct states_sums {
  tile_sum queries;
  tile_sum reads;
  tile_sum writes;
};

METAL_FUNC void states_clear(thread states_sums& sums) {
  tile_clear(sums.queries);
  tile_clear(sums.reads);
  tile_clear(sums.writes);
}

// The rows of these, tiles of which A, B and C can hold the numbers.
template <typename Tile>
struct states_rows {
  Tile queries;
  Tile reads;
  Tile writes;
};

template <typename Tile>
METAL_FUNC states_rows<Tile> states_rows_of(Tile queries, Tile reads, Tile writes) {
  return states_rows<Tile>{queries, reads, writes};
}

// Adds those of a tile's 32 values to `sums` and, to `inner`, what a lane has of the inner product: of every
// other row of blocks, since the other simdgroup has the rest. WHOLE: all blocks of the tile exist.
template <
    bool WHOLE,
    bool READS,
    typename A,
    typename B,
    typename C,
    typename T,
    typename Tile,
    typename Pointer>
METAL_FUNC void states_products(
    thread states_sums& sums,
    thread float& inner,
    thread const states_rows<Tile>& rows,
    thread const states_met<Pointer>& met,
    int simdgroup) {
  const int wide = met.state.wide;
#ifdef __HAVE_SIMDGROUP_BLOCKS__
#pragma clang loop unroll(full)
#endif
  for (int i = 0; i < TILE_BLOCKS; ++i) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_BLOCKS; c += 2) {
      if (WHOLE || (i < met.state.columns && c < met.state.rows)) {
        // Past the last block, load the last one again; its product is not used.
        const int other = WHOLE ? c + 1 : metal::min(c + 1, met.state.rows - 1);
        metal::simdgroup_matrix<T, 8, 8> block[2];
        metal::simdgroup_matrix<typename tile_kind<Tile>::type, 8, 8> own[TILE_OWN];
        if (met.enters) {
          block[0] = block_load<false, T>(met.state.at, i + c * wide);
          block[1] = block_load<false, T>(met.state.at, i + other * wide);
          tile_own<false>(own, rows.queries, simdgroup, i);
          tile_multiply<A, T>(sums.queries, own, block[0], block[1], c);
          if (READS) {
            tile_own<false>(own, rows.reads, simdgroup, i);
            tile_multiply<B, T>(sums.reads, own, block[0], block[1], c);
          }
        }
        if (met.leaves) {
          if (met.enters && i % TILE_SIMDGROUPS == simdgroup) {
            metal::simdgroup_matrix<T, 8, 8> leaving = block_load<false, T>(met.adjoint.at, i + c * wide);
            inner += block_inner<T>(block[0], leaving);
            leaving = block_load<false, T>(met.adjoint.at, i + other * wide);
            inner += other > c ? block_inner<T>(block[1], leaving) : 0.0f;
          }
          block[0] = block_load<false, T>(met.adjoint.at, i + c * wide);
          block[1] = block_load<false, T>(met.adjoint.at, i + other * wide);
          tile_own<false>(own, rows.writes, simdgroup, i);
          tile_multiply<C, T>(sums.writes, own, block[0], block[1], c);
        }
      }
    }
  }
}

// A simdgroup's part of the inner product from its lanes'.
template <typename Parts>
METAL_FUNC void states_keep_inner(Parts parts, float inner, int simdgroup, int lane) {
  inner = uniform_sum(inner);
  if (lane == 0) {
    parts[simdgroup] = inner;
  }
}
