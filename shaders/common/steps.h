// What a walk over chunks makes of their 32 steps where a simdgroup owns whole values: matrices with values
// down and steps along. Each product's sums are the next one's left operand, so that all of it stays in
// registers.
#pragma once

#include <metal_stdlib>

#include "blocks.h"
#include "gates.h"
#include "tile.h"
#include "walk.h"

template <int WIDE>
struct steps_values {
  metal::simdgroup_float8x8 at[TILE / 8][WIDE];
};

template <int WIDE>
METAL_FUNC void steps_clear(thread steps_values<WIDE>& values) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
    walk_clear<WIDE>(values.at[i]);
  }
}

// Where in a matrix the two elements of a lane stand, which is the engine's choice.
struct steps_place {
  int row[2];
  int column[2];
};

template <typename Scratch>
METAL_FUNC steps_place steps_placed(Scratch scratch, int lane) {
  for (int at = lane; at < BLOCK; at += 32) {
    scratch[at] = static_cast<float>(at);
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  metal::simdgroup_float8x8 numbers;
  metal::simdgroup_load(numbers, scratch, 8);
  steps_place place;
#pragma clang loop unroll(full)
  for (int e = 0; e < 2; ++e) {
    const int number = static_cast<int>(numbers.thread_elements()[e]);
    place.row[e] = number / 8;
    place.column[e] = number % 8;
  }
  metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
  return place;
}

// Three rates a step, of a chunk's step a lane.
template <typename Rates>
METAL_FUNC void steps_fetch_rates(thread float (&own)[3], Rates rates) {
#pragma clang loop unroll(full)
  for (int i = 0; i < 3; ++i) {
    own[i] = rates[i * TILE];
  }
}

template <typename Weights>
METAL_FUNC void steps_keep_rates(Weights weights, thread const float (&own)[3], int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < 3; ++i) {
    weights[i * TILE + lane] = own[i];
  }
}

// A chunk's rows of own values as they come.
template <int WIDE, typename T>
struct steps_given {
  T at[TILE / 8][WIDE][2];
};

// From `source`, which has `stride` numbers a step; `columns` values and `steps` steps are there, 0 stands
// for others.
template <int WIDE, bool WHOLE, typename T, typename Source>
METAL_FUNC void steps_fetch(
    thread steps_given<WIDE, T>& given,
    Source source,
    int stride,
    int columns,
    int steps,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int e = 0; e < 2; ++e) {
    auto from = source + place.column[e] * stride + place.row[e];
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        const bool live = (WHOLE || w * 8 + place.row[e] < columns) && i * 8 + place.column[e] < steps;
        given.at[i][w][e] = live ? static_cast<T>(from[i * 8 * stride + w * 8]) : static_cast<T>(0.0f);
      }
    }
  }
}

// A chunk's own values, from what was fetched.
template <int WIDE, typename T>
METAL_FUNC void steps_from(thread steps_values<WIDE>& values, thread steps_given<WIDE, T>& given) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
#pragma clang loop unroll(full)
      for (int e = 0; e < 2; ++e) {
        values.at[i][w].thread_elements()[e] = static_cast<float>(given.at[i][w][e]);
      }
    }
  }
}

// The values of a chunk to `destination`, laid out as the source of steps_fetch.
template <int WIDE, bool WHOLE, typename T, typename Destination>
METAL_FUNC void steps_store(
    thread steps_values<WIDE>& values,
    Destination destination,
    int stride,
    int columns,
    int steps,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int e = 0; e < 2; ++e) {
    auto to = destination + place.column[e] * stride + place.row[e];
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        if ((WHOLE || w * 8 + place.row[e] < columns) && i * 8 + place.column[e] < steps) {
          to[i * 8 * stride + w * 8] = static_cast<T>(values.at[i][w].thread_elements()[e]);
        }
      }
    }
  }
}

// A lower triangular matrix of 32 x 32, or its transpose, in blocks that a product wants to the right.
struct steps_lower {
  metal::simdgroup_float8x8 at[TILE / 8][TILE / 8];
};

template <bool TRANSPOSED, typename Blocks>
METAL_FUNC void steps_fetch_lower(thread steps_lower& lower, Blocks blocks) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE / 8; ++j) {
      if (j / 2 <= i / 2) {
        lower.at[i][j] = block_load<TRANSPOSED>(blocks, lower_block(i, j));
      }
    }
  }
}

// values += lower * given or, BACK, lower^T * given. What is given can be kept in A.
template <int WIDE, bool BACK, typename A>
METAL_FUNC void steps_multiply(
    thread steps_values<WIDE>& values, thread steps_values<WIDE>& given, thread steps_lower& lower) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; i += 2) {
    metal::simdgroup_float8x8 odd[2][WIDE];
    walk_clear<WIDE>(odd[0]);
    walk_clear<WIDE>(odd[1]);
#pragma clang loop unroll(full)
    for (int j = 0; j < TILE / 8; ++j) {
      const int row = BACK ? j : i;
      const int next = BACK ? j : i + 1;
      const int column = BACK ? i : j;
      const int beside = BACK ? i + 1 : j;
      if (BACK ? j < i : j >= i + 2) {
        continue;
      }
      if (WALK_HALVES && j % 2 == 1) {
        walk_multiply<WIDE, A>(odd[0], odd[1], given.at[j], lower.at[row][column], lower.at[next][beside]);
      } else {
        walk_multiply<WIDE, A>(
            values.at[i], values.at[i + 1], given.at[j], lower.at[row][column], lower.at[next][beside]);
      }
    }
    walk_join<WIDE>(values.at[i], odd[0]);
    walk_join<WIDE>(values.at[i + 1], odd[1]);
  }
}

// The values of each step times its weight; with RESETS a weight of 0 forgets whatever they are.
template <int WIDE, bool RESETS, typename Weights>
METAL_FUNC void steps_scale(
    thread steps_values<WIDE>& values, Weights weights, thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int e = 0; e < 2; ++e) {
      const float weight = weights[i * 8 + place.column[e]];
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        const float x = values.at[i][w].thread_elements()[e];
        values.at[i][w].thread_elements()[e] = RESETS && weight == 0.0f ? 0.0f : weight * x;
      }
    }
  }
}

template <int WIDE>
METAL_FUNC void steps_times(thread steps_values<WIDE>& values, float factor) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
      values.at[i][w].thread_elements() *= factor;
    }
  }
}

// What one of SHARES simdgroups fetches of a chunk's values, of the steps that are its share: 8 of every
// 8 * SHARES.
template <int WIDE, int SHARES, typename T>
struct steps_share {
  T at[(TILE / 8 + SHARES - 1) / SHARES][WIDE][2];
};

// As steps_fetch.
template <int WIDE, int SHARES, bool WHOLE, typename T, typename Source>
METAL_FUNC void steps_fetch_share(
    thread steps_share<WIDE, SHARES, T>& given,
    Source source,
    int stride,
    int columns,
    int steps,
    int share,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int e = 0; e < 2; ++e) {
    const int first = share * 8 + place.column[e];
    auto from = source + first * stride + place.row[e];
#pragma clang loop unroll(full)
    for (int i = 0; i * SHARES < TILE / 8; ++i) {
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        const int step = first + i * SHARES * 8;
        const bool live = (WHOLE || w * 8 + place.row[e] < columns) && step < metal::min(steps, TILE);
        given.at[i][w][e] =
            live ? static_cast<T>(from[i * SHARES * 8 * stride + w * 8]) : static_cast<T>(0.0f);
      }
    }
  }
}

// values = given - values, which the simdgroups add up: each knows given for its share.
template <int WIDE, int SHARES, typename T>
METAL_FUNC void steps_miss(
    thread steps_values<WIDE>& values, thread steps_share<WIDE, SHARES, T>& given, int share) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
    const bool own = i % SHARES == share;
#pragma clang loop unroll(full)
    for (int w = 0; w < WIDE; ++w) {
#pragma clang loop unroll(full)
      for (int e = 0; e < 2; ++e) {
        const float x = values.at[i][w].thread_elements()[e];
        const float wanted = static_cast<float>(given.at[i / SHARES][w][e]);
        values.at[i][w].thread_elements()[e] = (own ? wanted : 0.0f) - x;
      }
    }
  }
}

// What others have of the steps [begin, end).
template <int WIDE>
METAL_FUNC void steps_take(
    thread steps_values<WIDE>& values,
    thread steps_values<WIDE>& others,
    int begin,
    int end,
    thread const steps_place& place) {
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE / 8; ++i) {
#pragma clang loop unroll(full)
    for (int e = 0; e < 2; ++e) {
      const int step = i * 8 + place.column[e];
#pragma clang loop unroll(full)
      for (int w = 0; w < WIDE; ++w) {
        const float x = values.at[i][w].thread_elements()[e];
        const float other = others.at[i][w].thread_elements()[e];
        values.at[i][w].thread_elements()[e] = step >= begin && step < end ? other : x;
      }
    }
  }
}

// With RESETS the values of steps outside [begin, end) become 0, whatever they are.
template <int WIDE, bool RESETS>
METAL_FUNC void steps_only(
    thread steps_values<WIDE>& values, int begin, int end, thread const steps_place& place) {
  if (RESETS) {
    steps_values<WIDE> inside;
    steps_clear<WIDE>(inside);
    steps_take<WIDE>(inside, values, begin, end, place);
    values = inside;
  }
}

// values += lower * given, as steps_multiply, within the pieces between RESETS, whatever others hold.
template <int WIDE, bool BACK, bool RESETS, typename A = float, typename Reset>
METAL_FUNC void steps_mix(
    thread steps_values<WIDE>& values,
    thread steps_values<WIDE>& given,
    thread steps_lower& lower,
    Reset resets,
    int steps,
    thread const steps_place& place) {
  if (!RESETS) {
    steps_multiply<WIDE, BACK, A>(values, given, lower);
  }
  int begin = RESETS ? 0 : steps;
  while (begin < steps) {
    const int end = first_reset<RESETS>(resets, steps, begin + 1);
    steps_values<WIDE> inside;
    steps_values<WIDE> mixed = values;
    steps_clear<WIDE>(inside);
    steps_take<WIDE>(inside, given, begin, end, place);
    steps_multiply<WIDE, BACK, A>(mixed, inside, lower);
    steps_take<WIDE>(values, mixed, begin, end, place);
    begin = end;
  }
}
