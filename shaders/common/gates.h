// Gates of a chunk of 32 steps, one a step or one a step and key, and products of them that only go forward:
// no division and no logarithm, so gates may be 0, negative or tiny.
#pragma once

#include <metal_stdlib>

#include "carry.h"
#include "tile.h"

// A gate of 0 that stands for a reset forgets the product whatever it holds, infinity and NaN included.
template <bool RESETS>
METAL_FUNC float decayed(float product, float gate) {
  return RESETS && gate == 0.0f ? 0.0f : product * gate;
}

// The same of two products, either of which may have a reset in it.
template <bool RESETS>
METAL_FUNC float decayed_both(float a, float b) {
  return RESETS && a == 0.0f ? 0.0f : decayed<RESETS>(a, b);
}

// What a thread fetches of a chunk's gates: its column of the own rows, or one step's.
template <bool PER_KEY, typename T>
struct gates_part {
  T at[PER_KEY ? TILE_ROWS : 1];
};

// The gates of the steps of `place`, of `steps` in the chunk: 0 where the state is reset and, where there are
// resets, at other steps, so that these cannot spoil anything; 1 past the end.
template <bool PER_KEY, bool RESETS, typename T, typename Source, typename Reset>
METAL_FUNC void gates_fetch(
    thread gates_part<PER_KEY, T>& part, Source g, Reset reset, int steps, tile_place place) {
#pragma clang loop unroll(full)
  for (int i = 0; i < (PER_KEY ? TILE_ROWS : 1); ++i) {
    const int row = PER_KEY ? place.simdgroup * TILE_ROWS + i : place.lane;
    const bool live = row < steps && (!PER_KEY || place.lane < g.columns);
    const bool forgets = RESETS && row < steps && (row < place.begin || row >= place.end || reset[row]);
    part.at[i] = forgets ? static_cast<T>(0.0f)
                 : live  ? static_cast<T>(g.at[row * g.stride + (PER_KEY ? place.lane : 0)])
                         : static_cast<T>(1.0f);
  }
}

// The same of one gate a step for gates_keep, which takes those that simdgroup 0 has: far from one another as
// they are, each costs as much as a row.
template <bool RESETS, typename T, typename Source, typename Reset>
METAL_FUNC void gates_fetch_once(
    thread gates_part<false, T>& part, Source g, Reset reset, int steps, tile_place place) {
  part.at[0] = static_cast<T>(1.0f);
  if (place.simdgroup == 0) {
    gates_fetch<false, RESETS, T>(part, g, reset, steps, place);
  }
}

template <bool PER_KEY, typename T, typename Gates>
METAL_FUNC void gates_keep(Gates gates, thread gates_part<PER_KEY, T>& part, int simdgroup, int lane) {
#pragma clang loop unroll(full)
  for (int i = 0; i < (PER_KEY ? TILE_ROWS : 1); ++i) {
    if (PER_KEY || simdgroup == 0) {
      gates[PER_KEY ? (simdgroup * TILE_ROWS + i) * TILE_STRIDE + lane : lane] =
          static_cast<float>(part.at[i]);
    }
  }
}

// The product of column `lane` of the gates, rows [first, last).
template <bool RESETS, typename Gates>
METAL_FUNC float gates_product(Gates gates, int first, int last, int lane) {
  float product = 1.0f;
  for (int row = first; row < last; ++row) {
    product = decayed<RESETS>(product, gates[row * TILE_STRIDE + lane]);
  }
  return product;
}

// Of one number a lane, the product of those from this lane on.
template <bool RESETS>
METAL_FUNC float products_from(float product, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float later = metal::simd_shuffle_down(product, static_cast<ushort>(offset));
    product = lane + offset < TILE ? decayed_both<RESETS>(later, product) : product;
  }
  return product;
}

// Of one number a lane, the product of those up to this lane.
template <bool RESETS>
METAL_FUNC float products_upto(float product, int lane) {
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float before = metal::simd_shuffle_up(product, static_cast<ushort>(offset));
    product = lane >= offset ? decayed_both<RESETS>(before, product) : product;
  }
  return product;
}

// The product of one gate a lane, less 1. It may be imprecise where that is far from 0.
METAL_FUNC float gates_less(float gate) {
  float less = gate - 1.0f;
  for (int offset = 1; offset < TILE; offset *= 2) {
    const float other = metal::simd_shuffle_xor(less, static_cast<ushort>(offset));
    less = metal::fma(less, other, less + other);
  }
  return less;
}

// What the gates of a chunk, one a lane, leave of a state; `product` is that of all of them.
METAL_FUNC void gates_decay(thread carry_decay& decay, float gate, float product) {
  carry_decay_from(decay, product, gates_less(gate));
}

// The same of column `lane` of the gates.
template <bool RESETS, typename Gates>
METAL_FUNC void gates_column_decay(thread carry_decay& decay, Gates gates, int lane) {
  float product = 1.0f;
  float less = 0.0f;
  for (int row = 0; row < TILE; ++row) {
    const float gate = gates[row * TILE_STRIDE + lane];
    product = decayed<RESETS>(product, gate);
    less = metal::fma(less, gate, gate - 1.0f);
  }
  carry_decay_from(decay, product, less);
}

// Of one gate a step, the product of those behind step `lane` and before step `last`; 0 from `last` on.
template <bool RESETS, typename Gates>
METAL_FUNC float gates_between(Gates gates, int last, int lane) {
  const float product = products_from<RESETS>(lane + 1 < last ? gates[lane + 1] : 1.0f, lane);
  return lane < last ? product : 0.0f;
}

// Of one gate a step, the product of those up to step `lane`. With RESETS a product that has a 0 in it is 0,
// as in `decayed`.
template <bool RESETS, typename Gates>
METAL_FUNC float gates_upto(Gates gates, int lane) {
  return products_upto<RESETS>(gates[lane], lane);
}

// Of one gate a step, the products up to every row and of what comes after it, a row a lane.
template <bool RESETS, typename Gates, typename Products>
METAL_FUNC void gates_products(Gates gates, Products upto, Products after, int simdgroup, int lane) {
  if (simdgroup == 0) {
    upto[lane] = gates_upto<RESETS>(gates, lane);
  } else {
    after[lane] = gates_between<RESETS>(gates, TILE, lane);
  }
}

// `kept` becomes own rows times what the gates leave: of a state that enters the chunk by that row or, with
// SUFFIX, of that row at the chunk's end. Of one gate a step, `products` has these. With RESETS a row that
// is 0, as one that is not there, stays 0 whatever its weight.
template <bool PER_KEY, bool SUFFIX, bool RESETS, typename T, typename Gates, typename Products>
METAL_FUNC void rows_decay(
    thread float (&kept)[TILE_ROWS],
    thread T (&rows)[TILE_ROWS],
    float factor,
    Gates gates,
    Products products,
    int simdgroup,
    int lane) {
  const int first = simdgroup * TILE_ROWS;
  float product = 1.0f;
  if (PER_KEY) {
    product = SUFFIX ? gates_product<RESETS>(gates, first + TILE_ROWS, TILE, lane)
                     : gates_product<RESETS>(gates, 0, first, lane);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < TILE_ROWS; ++i) {
    const int at = SUFFIX ? TILE_ROWS - 1 - i : i;
    const int row = first + at;
    float weight = product;
    if (PER_KEY) {
      product = decayed<RESETS>(product, gates[row * TILE_STRIDE + lane]);
      weight = SUFFIX ? weight : product;
    } else {
      weight = products[row];
    }
    const float x = static_cast<float>(rows[at]);
    kept[at] = RESETS && x == 0.0f ? 0.0f : weight * (factor * x);
  }
}

// The first of `steps` steps that is reset, from step `begin` on, or `steps`.
template <bool RESETS, typename Reset>
METAL_FUNC int first_reset(Reset reset, int steps, int begin = 0) {
  int at = RESETS ? begin : steps;
  while (RESETS && at < steps && !reset[at]) {
    ++at;
  }
  return at;
}

// The last of `steps` steps that is reset, or 0.
template <bool RESETS, typename Reset>
METAL_FUNC int last_reset(Reset reset, int steps) {
  int at = RESETS ? steps - 1 : 0;
  while (RESETS && at > 0 && !reset[at]) {
    --at;
  }
  return at;
}
