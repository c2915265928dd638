// The gradients by q, k and g of one chunk with one gate a step and key. A pair of steps j < i contributes
//   D[i][j] q[i] k[j] g[j+1] ... g[i]
// to the loss and, where steps read what they write over, F[i][j] r[i] k[j] g[j+1] ... g[i] too, summed over
// keys. r is k, or an erase key apart from it, which may read BEFORE its gate: then g[i] is not in it. Step i
// reads the state that entered the chunk as well, and j writes to the one that leaves.
//
// With the blocks of key_blocks.h, for a key: keys[j] = k[j] times the gates behind j up to the end of its
// block, queries[i] = q[i] and reads[i] = r[i] times those from the start of their block up to i, product[b]
// = all gates of block b.
//   (1) entering[i] = what enters the block, as D and F read it: a sum over earlier blocks c, each times the
//       products of the blocks between;
//   (2) leaving[j] = the adjoint of what leaves the block, likewise over later blocks;
//   (3) grad_product = the gradient of product[b]: what enters times the adjoint of what leaves;
//   (4) pairs within a block are summed one by one.
// Then grad_q[i] = upto[i] entering[i], as for r, grad_k[j] = after[j] leaving[j], and the gradient of a gate
// takes one walk back over the block for what enters and one forward for what leaves. Nothing is divided, so
// g may be 0.
#pragma once

#include <metal_stdlib>

#include "key_blocks.h"

// Which key reads what a step writes over: none, the one that it writes, or an erase key.
constexpr constant int KEY_READS_NONE = 0;
constexpr constant int KEY_READS_OWN = 1;
constexpr constant int KEY_READS_ERASE = 2;
constexpr constant int KEY_READS_BEFORE = 3;

// What a thread has of its 8 steps: inputs, what enters for q and r, what leaves, and the gradients. Only
// KEY_READS_ERASE and KEY_READS_BEFORE have erase.
struct key_steps {
  float q[KEY_STEPS];
  float k[KEY_STEPS];
  float erase[KEY_STEPS];
  float entering_q[KEY_STEPS];
  float entering_k[KEY_STEPS];
  float leaving[KEY_STEPS];
  float grad_gate[KEY_STEPS];
};

// r of an own step.
template <int READS>
METAL_FUNC float key_read(thread const key_steps& own, int i) {
  return READS == KEY_READS_OWN ? own.k[i] : own.erase[i];
}

// Numbers a key that blocks hand on to one another, rows of 32: the product of each block's gates, what the
// keys of the first three have in common with the adjoint of the chunk's end, and what block i reads of what
// enters block c, for c < i.
constexpr constant int KEY_PAIRS = KEY_BLOCKS * (KEY_BLOCKS - 1) / 2;
constexpr constant int KEY_NOTES = KEY_BLOCKS + KEY_BLOCKS - 1 + KEY_PAIRS;
constexpr constant int KEY_ENDS = KEY_BLOCKS;
constexpr constant int KEY_SPANS = KEY_NOTES - KEY_PAIRS;

METAL_FUNC int key_span(int c, int i) {
  return (KEY_SPANS + i * (i - 1) / 2 + c) * TILE;
}

// What r of an own step is multiplied by from the start of its block.
template <int READS>
METAL_FUNC float key_read_weight(thread const key_gates& gates, int i) {
  return READS == KEY_READS_BEFORE ? key_before(gates, i) : gates.upto[i];
}

// Own steps to three tiles, keys, queries and, if there are, reads, and the product of the own gates to
// `notes`.
template <int READS, typename Tiles, typename Notes>
METAL_FUNC void key_meet(
    Tiles tiles, Notes notes, thread key_steps& own, thread const key_gates& gates, tile_place place) {
#pragma clang loop unroll(full)
  for (int i = 0; i < KEY_STEPS; ++i) {
    const int cell = key_cell(place, i);
    tiles[cell] = own.k[i] * gates.after[i];
    tiles[TILE * TILE_STRIDE + cell] = own.q[i] * gates.upto[i];
    if (READS != KEY_READS_NONE) {
      tiles[2 * TILE * TILE_STRIDE + cell] = key_read<READS>(own, i) * key_read_weight<READS>(gates, i);
    }
  }
  notes[place.simdgroup * TILE + place.lane] = gates.upto[KEY_STEPS - 1];
}

// (1), from the state's part on.
template <int READS, bool RESETS, typename Tiles, typename Pairs, typename Notes>
METAL_FUNC void key_enter(
    thread key_steps& own,
    thread const key_gates& gates,
    Tiles tiles,
    Pairs pairs,
    Notes notes,
    tile_place place) {
  auto rows = pairs + place.simdgroup * KEY_STEPS * TILE_STRIDE;
  auto others = rows + TILE * TILE_STRIDE;
  for (int c = 0; c < place.simdgroup; ++c) {
    const float product = notes[c * TILE + place.lane];
    float span = 0.0f;
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      const float query = own.q[i] * own.entering_q[i];
      const float read = READS != KEY_READS_NONE ? key_read<READS>(own, i) * own.entering_k[i] : 0.0f;
      if (READS == KEY_READS_BEFORE) {
        span = metal::fma(gates.upto[i], query, metal::fma(key_before(gates, i), read, span));
      } else {
        span = metal::fma(gates.upto[i], query + read, span);
      }
      own.entering_q[i] = decayed<RESETS>(own.entering_q[i], product);
      own.entering_k[i] = READS != KEY_READS_NONE ? decayed<RESETS>(own.entering_k[i], product) : 0.0f;
    }
    notes[key_span(c, place.simdgroup) + place.lane] = span;
#pragma unroll 4
    for (int j = 0; j < KEY_STEPS; ++j) {
      const int column = c * KEY_STEPS + j;
      const float key = tiles[column * TILE_STRIDE + place.lane];
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        own.entering_q[i] = metal::fma(rows[i * TILE_STRIDE + column], key, own.entering_q[i]);
        if (READS != KEY_READS_NONE) {
          own.entering_k[i] = metal::fma(others[i * TILE_STRIDE + column], key, own.entering_k[i]);
        }
      }
    }
  }
}

// (2), from the adjoint's part on.
template <int READS, bool RESETS, typename Tiles, typename Pairs, typename Notes>
METAL_FUNC void key_leave(
    thread key_steps& own,
    thread const key_gates& gates,
    Tiles tiles,
    Pairs pairs,
    Notes notes,
    tile_place place) {
  auto columns = pairs + place.simdgroup * KEY_STEPS;
  auto others = columns + TILE * TILE_STRIDE;
  float end = 0.0f;
#pragma clang loop unroll(full)
  for (int j = 0; j < KEY_STEPS; ++j) {
    end = metal::fma(own.k[j] * gates.after[j], own.leaving[j], end);
  }
  if (place.simdgroup < KEY_BLOCKS - 1) {
    notes[(KEY_ENDS + place.simdgroup) * TILE + place.lane] = end;
  }
  for (int c = KEY_BLOCKS - 1; c > place.simdgroup; --c) {
    const float product = notes[c * TILE + place.lane];
#pragma clang loop unroll(full)
    for (int j = 0; j < KEY_STEPS; ++j) {
      own.leaving[j] = decayed<RESETS>(own.leaving[j], product);
    }
#pragma unroll 2
    for (int i = 0; i < KEY_STEPS; ++i) {
      const int row = (c * KEY_STEPS + i) * TILE_STRIDE;
      const float query = tiles[TILE * TILE_STRIDE + row + place.lane];
      const float read = READS != KEY_READS_NONE ? tiles[2 * TILE * TILE_STRIDE + row + place.lane] : 0.0f;
#pragma clang loop unroll(full)
      for (int j = 0; j < KEY_STEPS; ++j) {
        own.leaving[j] = metal::fma(columns[row + j], query, own.leaving[j]);
        if (READS != KEY_READS_NONE) {
          own.leaving[j] = metal::fma(others[row + j], read, own.leaving[j]);
        }
      }
    }
  }
}

// (3), where `total` is the inner product of the state that enters the chunk with the adjoint of the one that
// leaves.
template <bool RESETS, typename Notes>
METAL_FUNC float key_grad_product(Notes notes, float total, tile_place place) {
  float grad = total;
  for (int c = 0; c < place.simdgroup; ++c) {
    const float end = notes[(KEY_ENDS + c) * TILE + place.lane];
    grad = decayed<RESETS>(grad, notes[c * TILE + place.lane]) + end;
  }
  for (int c = KEY_BLOCKS - 1; c > place.simdgroup; --c) {
    const float span = notes[key_span(place.simdgroup, c) + place.lane];
    grad = decayed<RESETS>(grad, notes[c * TILE + place.lane]) + span;
  }
  return grad;
}

// The gradients from what enters and leaves the block: entering_q and entering_k become those of q and k;
// with an erase key entering_k becomes that of the erase key, and leaving that of k.
template <int READS, bool RESETS>
METAL_FUNC void key_boundaries(thread key_steps& own, thread const key_gates& gates, float grad_product) {
  float carry = grad_product;
#pragma clang loop unroll(full)
  for (int i = KEY_STEPS - 1; i >= 0; --i) {
    carry = metal::fma(own.q[i], own.entering_q[i], carry);
    if (READS != KEY_READS_NONE && READS != KEY_READS_BEFORE) {
      carry = metal::fma(key_read<READS>(own, i), own.entering_k[i], carry);
    }
    own.grad_gate[i] = i > 0 ? carry * gates.upto[i - 1] : carry;
    carry = decayed<RESETS>(carry, gates.at[i]);
    if (READS == KEY_READS_BEFORE) {
      carry = metal::fma(own.erase[i], own.entering_k[i], carry);
    }
  }
  carry = 0.0f;
#pragma clang loop unroll(full)
  for (int j = 0; j < KEY_STEPS; ++j) {
    own.grad_gate[j] = metal::fma(carry, gates.after[j], own.grad_gate[j]);
    carry = metal::fma(own.k[j], own.leaving[j], decayed<RESETS>(carry, gates.at[j]));
    own.entering_q[j] *= gates.upto[j];
    if (READS >= KEY_READS_ERASE) {
      own.entering_k[j] *= key_read_weight<READS>(gates, j);
      own.leaving[j] *= gates.after[j];
    } else {
      const float by_read = READS != KEY_READS_NONE ? gates.upto[j] * own.entering_k[j] : 0.0f;
      own.entering_k[j] = gates.after[j] * own.leaving[j] + by_read;
    }
  }
}

// (4): key j walks forward over the later steps, which read it, and its adjoint walks back.
template <int READS, bool RESETS, typename Pairs>
METAL_FUNC void key_within(
    thread key_steps& own, thread const key_gates& gates, Pairs pairs, tile_place place) {
  auto corner = pairs + place.simdgroup * KEY_STEPS * (TILE_STRIDE + 1);
  auto others = corner + TILE * TILE_STRIDE;
  thread float (&grad_k)[KEY_STEPS] = READS >= KEY_READS_ERASE ? own.leaving : own.entering_k;
#pragma clang loop unroll(full)
  for (int j = 0; j < KEY_STEPS; ++j) {
    if (READS ==
        KEY_READS_BEFORE) {  // Or the pairs of all keys would be fetched first, which takes registers.
      metal::simdgroup_barrier(metal::mem_flags::mem_threadgroup);
    }
    const float same = corner[j * (TILE_STRIDE + 1)];
    own.entering_q[j] = metal::fma(same, own.k[j], own.entering_q[j]);
    grad_k[j] = metal::fma(same, own.q[j], grad_k[j]);
    float before[KEY_STEPS];
    float key = own.k[j];
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      if (i > j) {
        before[i] = key;
        key = decayed<RESETS>(key, gates.at[i]);
        own.entering_q[i] = metal::fma(corner[i * TILE_STRIDE + j], key, own.entering_q[i]);
        if (READS != KEY_READS_NONE) {
          const float read = READS == KEY_READS_BEFORE ? before[i] : key;
          own.entering_k[i] = metal::fma(others[i * TILE_STRIDE + j], read, own.entering_k[i]);
        }
      }
    }
    float adjoint = 0.0f;
#pragma clang loop unroll(full)
    for (int i = KEY_STEPS - 1; i >= 0; --i) {
      if (i > j) {
        adjoint = metal::fma(corner[i * TILE_STRIDE + j], own.q[i], adjoint);
        if (READS != KEY_READS_NONE && READS != KEY_READS_BEFORE) {
          adjoint = metal::fma(others[i * TILE_STRIDE + j], key_read<READS>(own, i), adjoint);
        }
        own.grad_gate[i] = metal::fma(adjoint, before[i], own.grad_gate[i]);
        adjoint = decayed<RESETS>(adjoint, gates.at[i]);
        if (READS == KEY_READS_BEFORE) {
          adjoint = metal::fma(others[i * TILE_STRIDE + j], own.erase[i], adjoint);
        }
      }
    }
    grad_k[j] += adjoint;
  }
}

// All of it: `own` has the inputs and what is read of the state and written to it, and ends up with the
// gradients by q, k and the erase key as key_boundaries has them, and by the gates. `tiles` has room for
// three.
template <int READS, bool RESETS, typename Tiles, typename Notes>
METAL_FUNC void key_gradients(
    thread key_steps& own,
    thread const key_gates& gates,
    Tiles tiles,
    Tiles pairs,
    Notes notes,
    float total,
    tile_place place) {
  key_meet<READS>(tiles, notes, own, gates, place);
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  key_enter<READS, RESETS>(own, gates, tiles, pairs, notes, place);
  key_leave<READS, RESETS>(own, gates, tiles, pairs, notes, place);
  metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);
  key_boundaries<READS, RESETS>(own, gates, key_grad_product<RESETS>(notes, total, place));
  key_within<READS, RESETS>(own, gates, pairs, place);
}
