// A chunk of 32 steps with one gate a step and key, for four simdgroups: simdgroup b owns block b, the 8
// steps from 8 * b on, and a lane owns a key. So a thread has 8 steps of a key in registers and walks over
// them, and blocks meet at their boundaries: products of gates go from a step to a boundary or from one
// boundary to another, always forward.
#pragma once

#include <metal_stdlib>

#include "gates.h"
#include "simd_sums.h"
#include "tile.h"

constexpr constant int KEY_BLOCKS = 4;
constexpr constant int KEY_STEPS = TILE / KEY_BLOCKS;

// The own steps of a key: its gates, their products from the block's first step up to and with each step, and
// those behind each step up to the block's last.
struct key_gates {
  float at[KEY_STEPS];
  float upto[KEY_STEPS];
  float after[KEY_STEPS];
};

METAL_FUNC int key_cell(tile_place place, int step) {
  return (place.simdgroup * KEY_STEPS + step) * TILE_STRIDE + place.lane;
}

// The own steps of `source` that exist, 0 elsewhere.
template <typename T, typename Source>
METAL_FUNC void key_fetch(thread T (&rows)[KEY_STEPS], Source source, tile_place place) {
  tile_fetch<T, KEY_STEPS>(rows, source, place);
}

// The own gates as they come, one for all keys unless PER_KEY: 0 where the state is reset and, where there
// are resets, at steps other than place's; 1 past the chunk's `steps` and keys.
template <bool RESETS, typename T, bool PER_KEY = true, typename Source, typename Reset>
METAL_FUNC void key_fetch_gates(
    thread T (&rows)[KEY_STEPS], Source g, Reset reset, int steps, tile_place place) {
  const int own = place.simdgroup * KEY_STEPS;
  auto from = g.at + own * g.stride + (PER_KEY ? place.lane : 0);
  if (!RESETS && own + KEY_STEPS <= steps && g.columns >= TILE) {
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      rows[i] = static_cast<T>(from[i * g.stride]);
    }
    return;
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const int row = own + i;
    const bool live = row < steps && place.lane < g.columns;
    const bool forgets = RESETS && row < steps && (row < place.begin || row >= place.end || reset[row]);
    rows[i] = forgets ? static_cast<T>(0.0f)
              : live  ? static_cast<T>(from[i * g.stride])
                      : static_cast<T>(1.0f);
  }
}

template <bool RESETS, typename T>
METAL_FUNC void key_products(thread key_gates& gates, thread T (&rows)[KEY_STEPS]) {
  float product = 1.0f;
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    gates.at[i] = static_cast<float>(rows[i]);
    product = decayed<RESETS>(product, gates.at[i]);
    gates.upto[i] = product;
  }
  product = 1.0f;
#pragma clang loop unroll(full)
  for (int i = KEY_STEPS - 1; i >= 0; --i) {
    gates.after[i] = product;
    product = decayed<RESETS>(product, gates.at[i]);
  }
}

// The product of the own gates before step i.
METAL_FUNC float key_before(thread const key_gates& gates, int i) {
  return i > 0 ? gates.upto[i - 1] : 1.0f;
}

// The product of the gates of blocks [first, last), where `products` has those of each block and key.
template <bool RESETS, typename Products>
METAL_FUNC float key_blocks_product(Products products, int first, int last, int lane) {
  float product = 1.0f;
#pragma clang loop unroll(full)
  for (int block = 0; block < KEY_BLOCKS; ++block) {
    const float other = products[block * TILE + lane];
    product = block >= first && block < last ? decayed<RESETS>(product, other) : product;
  }
  return product;
}

// The product of the gates between the own block and the chunk's middle, of the block next to it.
template <typename Products>
METAL_FUNC float key_to_middle(Products products, tile_place place) {
  const bool at_end = place.simdgroup == 0 || place.simdgroup == KEY_BLOCKS - 1;
  return at_end ? products[(place.simdgroup == 0 ? 1 : 2) * TILE + place.lane] : 1.0f;
}

// The sums of own steps over the lanes, that of step i in lanes 4 * i to 4 * i + 3. The steps are used up.
METAL_FUNC float key_step_sums(thread float (&rows)[KEY_STEPS], int lane) {
  float sum = simd_sums<KEY_STEPS, 16>(rows, lane);
  sum += metal::simd_shuffle_xor(sum, static_cast<ushort>(2));
  return sum + metal::simd_shuffle_xor(sum, static_cast<ushort>(1));
}

// Own steps that exist to `blocks` of T, `wide` in a row of them of which `columns` are there; as
// tile_store_blocks does.
template <typename T, typename Blocks>
METAL_FUNC void key_store_blocks(
    thread const float (&rows)[KEY_STEPS], Blocks blocks, int wide, int columns, tile_place place) {
  auto to = blocks + (place.simdgroup * wide + place.lane / 8) * 64 + place.lane % 8;
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const int row = place.simdgroup * KEY_STEPS + i;
    if (place.lane / 8 < columns && row >= place.begin && row < place.end) {
      to[i * 8] = static_cast<T>(rows[i]);
    }
  }
}

// Own steps times the products of the gates up to each, or BEFORE it, from the chunk's start, or with SUFFIX
// of those behind it, up to the chunk's end; `across` is that of the blocks before or behind. A step that is
// not there is 0 and stays so.
template <bool SUFFIX, bool RESETS, bool BEFORE = false>
METAL_FUNC void key_decay(
    thread float (&kept)[KEY_STEPS],
    thread const float (&rows)[KEY_STEPS],
    thread const key_gates& gates,
    float across) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const float product = SUFFIX ? gates.after[i] : BEFORE ? key_before(gates, i) : gates.upto[i];
    const float weight = decayed<RESETS>(product, across);
    kept[i] = RESETS && rows[i] == 0.0f ? 0.0f : weight * rows[i];
  }
}

// Own steps as they came times `factor`.
template <typename T>
METAL_FUNC void key_scale(
    thread float (&scaled)[KEY_STEPS], thread const T (&rows)[KEY_STEPS], float factor) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    scaled[i] = factor * static_cast<float>(rows[i]);
  }
}

// Adds the own steps of `source` that exist.
template <typename Source>
METAL_FUNC void key_add(thread float (&rows)[KEY_STEPS], Source source, tile_place place) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const int row = place.simdgroup * KEY_STEPS + i;
    if (place.lane < source.columns && row >= place.begin && row < place.end) {
      rows[i] += source.at[row * source.stride + place.lane];
    }
  }
}

// Own steps become 0 unless they are `there`.
METAL_FUNC void key_if(thread float (&rows)[KEY_STEPS], bool there) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    rows[i] = there ? rows[i] : 0.0f;
  }
}

// The product of the own gates less 1, without cancelling.
METAL_FUNC float key_less(thread const key_gates& gates) {
  float less = 0.0f;
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    less = metal::fma(less, gates.at[i], gates.at[i] - 1.0f);
  }
  return less;
}

// That of all blocks, from those of each block and key.
template <typename Lesses>
METAL_FUNC float key_blocks_less(Lesses lesses, int lane) {
  float less = lesses[lane];
#pragma clang loop unroll(full)
  for (int block = 1; block < KEY_BLOCKS; ++block) {
    const float other = lesses[block * TILE + lane];
    less = metal::fma(less, other, less + other);
  }
  return less;
}
