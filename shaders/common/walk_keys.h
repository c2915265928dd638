// The state of a walk over chunks of 32 steps, where what a simdgroup owns of it is all keys or a part of
// them: what a chunk reads of it, how it fades, and what a chunk writes to it.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "tile.h"
#include "walk.h"
#include "steps.h"

// state += the identity; `ahead` is by how much the first own key is beyond the first own row.
template <int WIDE, int TALL>
METAL_FUNC void walk_add_identity(
    thread walk_state<WIDE, TALL>& state, int ahead, thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
#pragma clang loop unroll(full)
      for (int e = 0; e < 2; ++e) {
        const bool same = r * 8 + place.column[e] + ahead == w * 8 + place.row[e];
        state.at[r][w].thread_elements()[e] += same ? 1.0f : 0.0f;
      }
    }
  }
}

// Own keys of a chunk, in matrices with a row a step to be written or, to be read, a row a key. They are
// fetched long before their use, so that no product waits for memory, and as T, because converting waits too.
template <int TALL, typename T>
struct walk_keys {
  metal::simdgroup_matrix<T, 8, 8> at[TILE / 8][TALL];
};

// They come from `blocks`, which have a row a step, `wide` of them in a row for 8 steps; TRANSPOSED is to be
// read. `rows` matrices are there, all of them if WHOLE; 0 stands for the others.
template <int TALL, bool TRANSPOSED, bool WHOLE, typename T, typename Blocks>
METAL_FUNC void walk_fetch(thread walk_keys<TALL, T>& keys, Blocks blocks, int wide, int rows) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int r = 0; r < TALL; ++r) {
      const int row = WHOLE ? r : metal::max(metal::min(r, rows - 1), 0);
      keys.at[i][r] = block_load<TRANSPOSED, T>(blocks, i * wide + row);
      if (!WHOLE && r >= rows) {
        keys.at[i][r] = metal::simdgroup_matrix<T, 8, 8>(static_cast<T>(0.0f));
      }
    }
  }
}

// known = state * keys, what the steps read of it.
template <int WIDE, int TALL, typename T>
METAL_FUNC void walk_read(
    thread steps_values<WIDE>& known, thread walk_state<WIDE, TALL>& state, thread walk_keys<TALL, T>& keys) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; i += 2) {
    walk_clear<WIDE>(known.at[i]);
    walk_clear<WIDE>(known.at[i + 1]);
#pragma clang loop unroll(full)
    for (int r = 0; r < TALL; ++r) {
      metal::simdgroup_float8x8 right = matrix_as<float>(keys.at[i][r]);
      metal::simdgroup_float8x8 next = matrix_as<float>(keys.at[i + 1][r]);
      walk_multiply<WIDE, float, T>(known.at[i], known.at[i + 1], state.at[r], right, next);
    }
  }
}

// Sums up what SIMDGROUPS simdgroups know of the same values, through `sums`, where lanes find what they put.
template <int WIDE, int SIMDGROUPS, typename Sums>
METAL_FUNC void walk_sum(thread steps_values<WIDE>& known, Sums sums, int simdgroup, int lane) {
  constexpr int PART = TILE / 8 * WIDE * 32;
  if (SIMDGROUPS > 1) {
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        sums[simdgroup * PART + (i * WIDE + w) * 32 + lane] = known.at[i][w].thread_elements();
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        metal::float2 sum = sums[(i * WIDE + w) * 32 + lane];
#pragma clang loop unroll(full)
        for (int s = 1; s < SIMDGROUPS; ++s) {
          sum += sums[s * PART + (i * WIDE + w) * 32 + lane];
        }
        known.at[i][w].thread_elements() = sum;
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  }
}

// What a chunk leaves of own keys, one decay for all of them unless PER_KEY.
template <bool PER_KEY, int TALL>
struct walk_decays {
  metal::float2 base[PER_KEY ? TALL : 1];
  metal::float2 change[PER_KEY ? TALL : 1];
};

// They come from `source`, which has all bases, `count` of them, before their changes.
template <bool PER_KEY, int TALL, typename Source>
METAL_FUNC void walk_fetch_decays(
    thread walk_decays<PER_KEY, TALL>& decays,
    Source source,
    int count,
    int rows,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int r = 0; r < (PER_KEY ? TALL : 1); ++r) {
#pragma clang loop unroll(full)
    for (int e = 0; e < 2; ++e) {
      const int at = PER_KEY ? r * 8 + place.column[e] : 0;
      decays.base[r][e] = r < rows ? source[at] : 0.0f;
      decays.change[r][e] = r < rows ? source[count + at] : 0.0f;
    }
  }
}

// Each key of the state times its decay, or 0 where nothing carries.
template <int WIDE, int TALL, bool PER_KEY>
METAL_FUNC void walk_fade(
    thread walk_state<WIDE, TALL>& state,
    thread walk_state<WIDE, TALL>& rest,
    thread walk_decays<PER_KEY, TALL>& decays,
    bool carries) {
  if (!carries) {
    walk_clear<WIDE, TALL>(state);
    walk_clear<WIDE, TALL>(rest);
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; ++r) {
    const int own = PER_KEY ? r : 0;
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
      if (carries) {
        carry_fade(state.at[r][w], rest.at[r][w], decays.base[own], decays.change[own]);
      }
    }
  }
}

// rest += values * keys, where with RESETS only the steps [begin, end) count.
template <int WIDE, int TALL, bool RESETS, typename T>
METAL_FUNC void walk_write(
    thread walk_state<WIDE, TALL>& rest,
    thread steps_values<WIDE>& values,
    thread walk_keys<TALL, T>& keys,
    int begin,
    int end,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int r = 0; r < TALL; r += 2) {
    metal::simdgroup_float8x8 odd[2][WIDE];
    walk_clear<WIDE>(odd[0]);
    walk_clear<WIDE>(odd[1]);
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 8; ++i) {
      metal::simdgroup_float8x8 right = matrix_as<float>(keys.at[i][r]);
      metal::simdgroup_float8x8 next = matrix_as<float>(keys.at[i][r + 1]);
#pragma clang loop unroll(full)
      for (int e = 0; RESETS && e < 2; ++e) {
        const int step = i * 8 + place.row[e];
        const bool counts = step >= begin && step < end;
        const float x = right.thread_elements()[e];
        const float y = next.thread_elements()[e];
        right.thread_elements()[e] = counts ? x : 0.0f;
        next.thread_elements()[e] = counts ? y : 0.0f;
      }
      if (WALK_HALVES && i % 2 == 1) {
        walk_multiply<WIDE, float, T>(odd[0], odd[1], values.at[i], right, next);
      } else {
        walk_multiply<WIDE, float, T>(rest.at[r], rest.at[r + 1], values.at[i], right, next);
      }
    }
    walk_join<WIDE>(rest.at[r], odd[0]);
    walk_join<WIDE>(rest.at[r + 1], odd[1]);
  }
}
