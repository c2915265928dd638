// The states of spans and legs in device memory, and what of them enters a span.
#pragma once

#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/walk.h"
#include "products.h"
#include "span.h"

// Where a simdgroup's part of a state lies: block (r, w) is at r * down + w * along blocks of `first`, of
// which `rows` x `columns` are there.
struct span_blocks {
  long first;
  int down;
  int along;
  int rows;
  int columns;
};

// Blocks of a state are stored by key, then by value; where the simdgroup has a row a key they are TURNED.
template <int R, int V, int DEEP, bool TURNED>
METAL_FUNC span_blocks span_blocks_at(long state, int value, int part) {
  constexpr int KEYS = (R + 7) / 8;
  constexpr int VALUES = (V + 7) / 8;
  const int key_block = part * DEEP * 8;
  const int value_block = value / 8;
  span_blocks at;
  at.down = TURNED ? 1 : VALUES;
  at.along = TURNED ? KEYS : 1;
  at.first = state * KEYS * VALUES + static_cast<long>(key_block) * at.down +
             static_cast<long>(value_block) * at.along;
  at.rows = KEYS - key_block;
  at.columns = VALUES - value_block;
  return at;
}

// What enters a span (REVERSE: what leaves it): what its leg adds before it, of span `before`, and what
// enters the leg.
struct span_entry {
  int leg;
  int before;
  // Whether nothing of the leg comes before.
  bool first;
};

template <int LEG, bool REVERSE>
METAL_FUNC span_entry span_entered(int span, int spans) {
  span_entry entry;
  entry.leg = span / LEG;
  entry.before = REVERSE ? span + 1 : span - 1;
  entry.first = REVERSE ? entry.before == metal::min((entry.leg + 1) * LEG, spans) : span % LEG == 0;
  return entry;
}

template <int TALL, bool TURNED, typename Blocks>
METAL_FUNC void span_load(thread walk_state<SPAN_WIDE, TALL>& state, Blocks blocks, span_blocks at) {
  auto own = blocks + at.first * BLOCK;
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      state.at[r][w] = metal::simdgroup_float8x8(0.0f);
      if (r < at.rows && w < at.columns) {
        state.at[r][w] = block_load<TURNED>(own, r * at.down + w * at.along);
      }
    }
  }
}

// state = decay * state + the blocks, as span_carried, or nothing but `decay` unless they count.
template <int TALL, bool TURNED, typename Blocks>
METAL_FUNC void span_add(
    thread walk_state<SPAN_WIDE, TALL>& state, Blocks blocks, span_blocks at, float decay, bool counts) {
  auto own = blocks + at.first * BLOCK;
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      if (r < at.rows && w < at.columns) {
        metal::simdgroup_float8x8 added = block_load<TURNED>(own, r * at.down + w * at.along);
#pragma clang loop unroll(full)
        for (int e = 0; e < 2; ++e) {
          const float more = counts ? added.thread_elements()[e] : 0.0f;
          state.at[r][w].thread_elements()[e] =
              span_carried(decay, state.at[r][w].thread_elements()[e], more);
        }
      }
    }
  }
}

template <int TALL, bool TURNED, typename Blocks>
METAL_FUNC void span_save(thread walk_state<SPAN_WIDE, TALL>& state, Blocks blocks, span_blocks at) {
  auto own = blocks + at.first * BLOCK;
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < SPAN_WIDE; ++w) {
      if (r < at.rows && w < at.columns) {
        block_store<TURNED>(state.at[r][w], own, r * at.down + w * at.along);
      }
    }
  }
}
