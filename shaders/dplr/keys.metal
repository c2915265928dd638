// dplr backward: what one key, k with v or b with u, has for grad_q, grad_a, grad_g and for its own gradient,
// a chunk of 32 steps at a time. With w what the key is written with, d the gradient of u, S the state that
// entered the chunk, G the adjoint of the one that leaves, D = scale * grad_o w^T, F = d w^T and g(j, i) =
// g[j+1] ... g[i],
//   grad_q[i] = sum over j <= i of D[i][j] k[j] o g(j, i) + scale * g(-1, i) o (S grad_o[i]),
//   grad_a[i] = sum over j < i of F[i][j] k[j] o g(j, i - 1) + g(-1, i - 1) o (S d[i]),
//   grad_k[j] = sum over i >= j of D[i][j] q[i] o g(j, i) + sum over i > j of F[i][j] a[i] o g(j, i - 1)
//     + g(j, 31) o (G w[j]).
// grad_g and how pairs of steps meet: key_gradients.h. FIRST has the parts of S; the other key adds to what
// the first one made. q, a, k are [B, L, H, Dk], w is [B, L, H, Dv]. Peng et al. 2025, RWKV-7,
// arXiv:2503.14456, section 3.
//
// A threadgroup owns a chunk of one head, 32 keys at a time. A chunk is cut at its resets; what lies outside
// a piece counts as 0.
#include <metal_stdlib>

#include "../common/blocks.h"
#include "../common/gates.h"
#include "../common/key_gradients.h"
#include "../common/key_states.h"
#include "../common/scores.h"
#include "../common/simd_sums.h"
#include "../common/tile.h"

using namespace metal;

template <
    typename TQ,
    typename TA,
    typename TK,
    typename TG,
    typename TW,
    typename TV,
    typename GRAD_Q,
    typename GRAD_A,
    typename GRAD_G,
    int Dk,
    int Dv,
    int H,
    bool PER_KEY,
    bool FIRST,
    bool HAS_RESET>
[[kernel]] void dplr_keys(
    const device TQ* q,                 // [B, L, H, Dk]
    const device TA* a,                 // [B, L, H, Dk]
    const device TK* k,                 // [B, L, H, Dk]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device TW* w,                 // [B, L, H, Dv]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    const device float* chunk_state,    // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* chunk_adjoint,  // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* grad_u,         // [B, L, H, Dv]
    const device TV* grad_o,            // [B, L, H, Dv]
    const device float* first_q,        // [B, L, H, Dk] or
                                        // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* first_a,        // [B, L, H, Dk] or
                                        // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    const device float* first_g,        // [B, L, H, GATES] or
                                        // [B, H, CHUNKS, KEYS / 8, VALUES / 8, 8, 8]
    device GRAD_Q* grad_q,              // [B, L, H, Dk]
    device GRAD_A* grad_a,              // [B, L, H, Dk]
    device TK* grad_k,                  // [B, L, H, Dk]
    device GRAD_G* grad_g,              // [B, L, H] or [B, L, H, Dk] or
                                        // [B, L, H, GATES]
    const constant int* q_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int ROWS = (Dk + 7) / 8;
  constexpr int COLUMNS = (Dv + 7) / 8;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr bool WHOLE = ROWS % TILE_BLOCKS == 0 && COLUMNS % TILE_BLOCKS == 0;
  // grad_o, d and w of 32 values, then their products with the states, then what key_gradients keeps there.
  threadgroup float tiles[3 * TILE * TILE_STRIDE];
  threadgroup float pairs[2 * TILE * TILE_STRIDE];  // D and F
  threadgroup float notes[KEY_NOTES * TILE];
  threadgroup float totals[TILE * ROW_STRIDE];

  const int L = q_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const int steps = min(TILE, L - chunk * TILE);
  const long first = static_cast<long>(batch) * L + chunk * TILE;
  const long row = first * H + head;
  const long own_chunk = (static_cast<long>(batch) * H + head) * chunks + chunk;
  auto w_row = w + row * Dv;
  auto update_row = grad_u + row * Dv;
  auto grad_row = grad_o + row * Dv;
  auto state = chunk_state + own_chunk * ROWS * COLUMNS * BLOCK;
  auto adjoint = chunk_adjoint + own_chunk * ROWS * COLUMNS * BLOCK;
  auto resets = reset + (HAS_RESET ? first : 0);
  const float factor = scale[0];

  auto outputs = tiles;
  auto updates = tiles + TILE * TILE_STRIDE;
  auto written = updates + TILE * TILE_STRIDE;
  int begin = 0;
  do {
    const int end = first_reset<HAS_RESET>(resets, steps, begin + 1);
    const bool meets_state = begin == 0 && !(HAS_RESET && resets[0]);
    const bool meets_adjoint = end == steps;
    const tile_place place = {begin, end, simdgroup, lane};

    key_sum after;
    key_sum before;
    key_clear(after);
    key_clear(before);
    for (int value = 0; value < Dv; value += TILE) {
      TV output_rows[KEY_STEPS];
      float update_rows[KEY_STEPS];
      TW written_rows[KEY_STEPS];
      key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
      key_fetch<float>(update_rows, view_of(update_row + value, H * Dv, Dv - value), place);
      key_fetch<TW>(written_rows, view_of(w_row + value, H * Dv, Dv - value), place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      tile_keep<TV, KEY_STEPS>(outputs, output_rows, 1.0f, simdgroup, lane);
      tile_keep<float, KEY_STEPS>(updates, update_rows, 1.0f, simdgroup, lane);
      tile_keep<TW, KEY_STEPS>(written, written_rows, 1.0f, simdgroup, lane);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (simdgroup < KEY_BLOCKS - 1) {
        scores_square<TV, TW>(after.at, outputs, written, simdgroup);
        scores_square<float, TW>(before.at, updates, written, simdgroup);
      }
    }
    if (simdgroup < KEY_BLOCKS - 1) {
      scores_put_square(after.at, pairs, simdgroup);
      scores_put_square(before.at, pairs + TILE * TILE_STRIDE, simdgroup);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma clang loop unroll(full)
    for (int i = 0; i < KEY_STEPS; ++i) {
      pairs[key_cell(place, i)] *= factor;
    }

    float grad_step = 0.0f;
    for (int key = 0; key < Dk; key += TILE) {
      const int corner = key / 8 * COLUMNS * BLOCK;
      key_sum read_q;
      key_sum read_a;
      key_sum writes;
      key_clear(read_q);
      key_clear(read_a);
      key_clear(writes);
      for (int value = 0; value < Dv; value += TILE) {
        TV output_rows[KEY_STEPS];
        float update_rows[KEY_STEPS];
        TW written_rows[KEY_STEPS];
        const int at = corner + value / 8 * BLOCK;
        const int columns = COLUMNS - value / 8;
        key_fetch<TW>(written_rows, view_of(w_row + value, H * Dv, Dv - value), place);
        if (FIRST) {
          key_fetch<TV>(output_rows, view_of(grad_row + value, H * Dv, Dv - value), place);
          key_fetch<float>(update_rows, view_of(update_row + value, H * Dv, Dv - value), place);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        tile_keep<TW, KEY_STEPS>(written, written_rows, 1.0f, simdgroup, lane);
        if (FIRST) {
          tile_keep<TV, KEY_STEPS>(outputs, output_rows, 1.0f, simdgroup, lane);
          tile_keep<float, KEY_STEPS>(updates, update_rows, 1.0f, simdgroup, lane);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        key_state<float> met;
        if (FIRST && meets_state) {
          key_fetch_state<WHOLE>(met, blocks_of(state + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
          key_product_state<WHOLE, TV>(read_q, outputs, met, columns, simdgroup);
          key_product_state<WHOLE, float>(read_a, updates, met, columns, simdgroup);
        }
        if (meets_adjoint) {
          key_fetch_state<WHOLE>(met, blocks_of(adjoint + at, COLUMNS, ROWS - key / 8, columns), simdgroup);
          key_product_state<WHOLE, TW>(writes, written, met, columns, simdgroup);
        }
      }

      const long to = row * Dk + key;
      const int there = Dk - key;
      TQ q_rows[KEY_STEPS];
      TA a_rows[KEY_STEPS];
      TK k_rows[KEY_STEPS];
      TG gate_rows[KEY_STEPS];
      key_fetch<TQ>(q_rows, view_of(q + to, H * Dk, there), place);
      key_fetch<TA>(a_rows, view_of(a + to, H * Dk, there), place);
      key_fetch<TK>(k_rows, view_of(k + to, H * Dk, there), place);
      key_fetch_gates<HAS_RESET, TG, PER_KEY>(
          gate_rows, view_of(g + row * GATES + (PER_KEY ? key : 0), H * GATES, there), resets, steps, place);
      threadgroup_barrier(mem_flags::mem_threadgroup);
      key_put(read_q, outputs, simdgroup);
      key_put(read_a, updates, simdgroup);
      key_put(writes, written, simdgroup);
      const bool carries = FIRST && meets_state && meets_adjoint;
      if (carries) {
        key_states_inner(totals, state + corner, adjoint + corner, ROWS - key / 8, COLUMNS, simdgroup);
      }
      threadgroup_barrier(mem_flags::mem_threadgroup);
      const float total = carries ? key_total(totals, lane) : 0.0f;
      key_steps own;
      key_gates gates;
      key_products<HAS_RESET, TG>(gates, gate_rows);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        const int cell = key_cell(place, i);
        own.q[i] = static_cast<float>(q_rows[i]);
        own.k[i] = static_cast<float>(k_rows[i]);
        own.erase[i] = static_cast<float>(a_rows[i]);
        own.entering_q[i] = factor * outputs[cell];
        own.entering_k[i] = updates[cell];
        own.leaving[i] = written[cell];
      }
      key_gradients<KEY_READS_BEFORE, HAS_RESET>(own, gates, tiles, pairs, notes, total, place);
      if (!FIRST) {
        key_add(own.entering_q, view_of(first_q + to, H * Dk, there), place);
        key_add(own.entering_k, view_of(first_a + to, H * Dk, there), place);
      }
      rows_store<GRAD_Q>(own.entering_q, view_of(grad_q + to, H * Dk, there), place);
      rows_store<GRAD_A>(own.entering_k, view_of(grad_a + to, H * Dk, there), place);
      rows_store<TK>(own.leaving, view_of(grad_k + to, H * Dk, there), place);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEY_STEPS; ++i) {
        const int at = simdgroup * KEY_STEPS + i;
        const bool forgets = HAS_RESET && at < steps && resets[at];
        own.grad_gate[i] = forgets || lane >= there ? 0.0f : own.grad_gate[i];
      }
      if (PER_KEY) {
        if (!FIRST) {
          key_add(own.grad_gate, view_of(first_g + to, H * Dk, there), place);
        }
        rows_store<GRAD_G>(own.grad_gate, view_of(grad_g + to, H * Dk, there), place);
      } else {
        grad_step += key_step_sums(own.grad_gate, lane);
      }
    }
    if (!PER_KEY) {
      const int step = simdgroup * KEY_STEPS + lane / 4;
      const long to = row + static_cast<long>(step) * H;
      if (lane % 4 == 0 && step >= begin && step < end) {
        grad_g[to] = static_cast<GRAD_G>(FIRST ? grad_step : first_g[to] + grad_step);
      }
    }
    begin = end;
  } while (HAS_RESET && begin < steps);
}
