// The walk over the tiles of a span, from its end if REVERSE: a tile is cut at its resets, into pieces.
#pragma once

#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/tile.h"

// The span's tiles of a sequence of L steps.
struct span_tiles {
  int first;
  int count;
  int L;
};

struct span_piece {
  // How many tiles the walk has behind it, and how many steps of this one.
  int tiles;
  int done;
  // The first step of the tile, and which of its rows are the piece's.
  int row;
  int begin;
  int end;
  // Whether what enters the tile reaches the piece, whether what the piece writes leaves the tile, whether
  // anything passes through the tile, and whether the tile has no further piece.
  bool reads;
  bool writes;
  bool carries;
  bool last;
};

template <bool REVERSE, bool RESETS, typename Reset>
METAL_FUNC span_piece span_piece_at(thread const span_tiles& span, Reset reset, int tiles, int done) {
  const int tile = span.first + (REVERSE ? span.count - 1 - tiles : tiles);
  const int steps = metal::min(TILE, span.L - tile * TILE);
  auto resets = reset + (RESETS ? tile * TILE : 0);
  span_piece piece;
  piece.tiles = tiles;
  piece.done = done;
  piece.row = tile * TILE;
  piece.end = REVERSE ? steps - done : first_reset<RESETS>(resets, steps, done + 1);
  piece.begin = REVERSE ? last_reset<RESETS>(resets, piece.end) : done;
  const bool from_start = piece.begin == 0 && !(RESETS && resets[0]);
  const bool to_end = piece.end == steps;
  piece.reads = REVERSE ? to_end : from_start;
  piece.writes = REVERSE ? from_start : to_end;
  piece.carries = first_reset<RESETS>(resets, steps) == steps;
  piece.last = REVERSE ? piece.begin == 0 : to_end;
  return piece;
}

// The piece after another. There is none where it has all tiles of the span behind it.
template <bool REVERSE, bool RESETS, typename Reset>
METAL_FUNC span_piece span_next(thread const span_tiles& span, Reset reset, thread const span_piece& piece) {
  span_piece next = piece;
  next.tiles = piece.last ? piece.tiles + 1 : piece.tiles;
  const int steps = metal::min(TILE, span.L - piece.row);
  const int done = piece.last ? 0 : REVERSE ? steps - piece.begin : piece.end;
  return next.tiles < span.count ? span_piece_at<REVERSE, RESETS>(span, reset, next.tiles, done) : next;
}

// What of a tile's steps reaches the end that the walk leaves by: those after its last reset or, REVERSE,
// before its first one. If there is a reset, nothing passes through the tile.
struct span_remainder {
  int row;
  int begin;
  int end;
  bool carries;
};

template <bool REVERSE, bool RESETS, typename Reset>
METAL_FUNC span_remainder span_remainder_at(thread const span_tiles& span, Reset reset, int tiles) {
  const int tile = span.first + (REVERSE ? span.count - 1 - tiles : tiles);
  const int steps = metal::min(TILE, span.L - tile * TILE);
  auto resets = reset + (RESETS ? tile * TILE : 0);
  const int first_cut = first_reset<RESETS>(resets, steps);
  span_remainder remainder;
  remainder.row = tile * TILE;
  remainder.begin = REVERSE ? 0 : last_reset<RESETS>(resets, steps);
  remainder.end = REVERSE ? first_cut : steps;
  remainder.carries = first_cut == steps;
  return remainder;
}
