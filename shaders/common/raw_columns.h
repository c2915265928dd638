// Two raw tiles side by side in place of two of floats: what columns.h does with those.
#pragma once

#include <metal_stdlib>

#include "columns.h"
#include "raw_tile.h"

template <typename T>
using raw_column_rows = raw_rows<T, COLUMN_ROWS, 2>;

template <typename T, typename Source>
METAL_FUNC void columns_fetch(thread raw_column_rows<T>& rows, Source source, tile_place place) {
  raw_fetch<T, COLUMN_ROWS, 2>(rows, source, place);
}

template <typename T, typename Tiles>
METAL_FUNC void columns_keep(Tiles tiles, thread raw_column_rows<T>& rows, tile_place place) {
  raw_keep<false>(tiles, rows, place);
}

template <typename T, typename Tiles>
METAL_FUNC void columns_put(thread column_sum& sum, Tiles tiles, int simdgroup, tile_numbers<T>) {
  auto own = columns_tile(tiles, simdgroup);
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_BLOCKS; ++r) {
#pragma clang loop unroll(full)
    for (int c = 0; c < TILE_OWN; ++c) {
      raw_store<T>(sum.at[r][c], own, r, columns_block(simdgroup) + c);
    }
  }
}

// The numbers of raw tiles are of T already. Rows of `destination` have an even number of them.
template <typename T, typename Tiles, typename Destination>
METAL_FUNC void columns_write(Tiles tiles, Destination destination, tile_place place, tile_numbers<T>) {
  auto own = tile_at(tiles, place.lane / 16) + raw_column<1>(place.lane);
  auto to = destination.at + raw_column<2>(place.lane);
#pragma clang loop unroll(full)
  for (int i = 0; i < COLUMN_ROWS; ++i) {
    const int row = raw_row<COLUMN_ROWS, 2>(i, place.simdgroup, place.lane);
    if (row >= place.begin && row < place.end) {
      raw_put<T>(to + row * destination.stride, raw_pair<T>(own + row * RAW_STRIDE));
    }
  }
}
