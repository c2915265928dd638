// What a walk needs of a chunk of 32 steps, in the order of its use: what reads the state; what fades and is
// written whatever was read; and what the steps make of each other and write then.
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/steps.h"
#include "../common/tile.h"
#include "../common/walk_keys.h"

template <int WIDE, int TALL, typename T>
struct chunk_numbers {
  walk_keys<TALL, float> reads;
  walk_decays<true, TALL> fading;
  steps_given<WIDE, T> given;
  walk_keys<TALL, float> writes;
  steps_lower mix;
  steps_lower inverse;
  walk_keys<TALL, float> rewrites;
};

// A head's numbers, from its own keys and values on; chunks follow one another, steps of `given` are `stride`
// apart. `keys` blocks of 8 keys are in a row, of which `owned` are own; `columns` values are there.
template <typename Floats, typename Given>
struct chunk_source {
  Floats read;
  Floats decay;
  Given given;
  Floats write;
  Floats mix;
  Floats inverse;
  Floats rewrite;
  int stride;
  int keys;
  int owned;
  int columns;
};

template <bool WHOLE, int WIDE, int TALL, typename T, typename Source>
METAL_FUNC void chunk_fetch_reads(
    thread chunk_numbers<WIDE, TALL, T>& own, thread const Source& from, long chunk) {
  walk_fetch<TALL, true, WHOLE>(own.reads, from.read + chunk * from.keys * 4 * BLOCK, from.keys, from.owned);
}

// Of `steps` steps.
template <bool WHOLE, bool WHOLE_ROWS, int WIDE, int TALL, typename T, typename Source>
METAL_FUNC void chunk_fetch_given(
    thread chunk_numbers<WIDE, TALL, T>& own,
    thread const Source& from,
    long chunk,
    int steps,
    thread const steps_place& place) {
  walk_fetch_decays<true, TALL>(
      own.fading, from.decay + chunk * from.keys * 16, from.keys * 8, from.owned, place);
  steps_fetch<WIDE, WHOLE_ROWS, T>(
      own.given, from.given + chunk * TILE * from.stride, from.stride, from.columns, steps, place);
  walk_fetch<TALL, false, WHOLE>(
      own.writes, from.write + chunk * from.keys * 4 * BLOCK, from.keys, from.owned);
}

template <bool BACK, int WIDE, int TALL, typename T, typename Source>
METAL_FUNC void chunk_fetch_mix(
    thread chunk_numbers<WIDE, TALL, T>& own, thread const Source& from, long chunk) {
  steps_fetch_lower<!BACK>(own.mix, from.mix + chunk * LOWER_SIZE);
}

template <bool BACK, int WIDE, int TALL, typename T, typename Source>
METAL_FUNC void chunk_fetch_inverse(
    thread chunk_numbers<WIDE, TALL, T>& own, thread const Source& from, long chunk) {
  steps_fetch_lower<!BACK>(own.inverse, from.inverse + chunk * LOWER_SIZE);
}

template <bool WHOLE, int WIDE, int TALL, typename T, typename Source>
METAL_FUNC void chunk_fetch_rewrites(
    thread chunk_numbers<WIDE, TALL, T>& own, thread const Source& from, long chunk) {
  walk_fetch<TALL, false, WHOLE>(
      own.rewrites, from.rewrite + chunk * from.keys * 4 * BLOCK, from.keys, from.owned);
}
