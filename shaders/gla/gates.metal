// gla, one gate a step: products of the gates of a chunk of 32 steps, made once for all kernels that read
// them. Four rows of 32: the gates g; P[i] = g[0] ... g[i]; E[j] = g[j+1] ... g[31]; and 32 times P[31] - 1,
// which may be imprecise where it is far from 0. A reset counts as a gate of 0, a step past the end as 1.
// Yang et al. 2024, arXiv:2312.06635, section 4.
//
// A simdgroup owns a chunk of one head, a lane a step.
#include <metal_stdlib>

#include "../common/gates.h"
#include "../common/tile.h"

using namespace metal;

template <typename TG, int H, int SIMDGROUPS, bool HAS_RESET>
[[kernel]] void gla_gates(
    const device TG* g,        // [B, L, H] or [B, L, H, Dk]
    const device bool* reset,  // [B, L]
    device float* gates,       // [B, H, CHUNKS, 4, 32]
    const constant int* g_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  const int L = g_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunks = (L + TILE - 1) / TILE;
  const int chunk = threadgroup_position_in_grid.x * SIMDGROUPS + simdgroup;
  const int head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int steps = clamp(L - chunk * TILE, 0, TILE);
  const long first = batch * L + (steps > 0 ? chunk * TILE : 0);
  const tile_place place = {0, steps, simdgroup, lane};

  gates_part<false, TG> part;
  gates_fetch<false, HAS_RESET, TG>(
      part, view_of(g + first * H + head, H, 1), reset + (HAS_RESET ? first : 0), steps, place);
  const float gate = static_cast<float>(part.at[0]);
  const float upto = products_upto<HAS_RESET>(gate, lane);
  const float from = products_from<HAS_RESET>(gate, lane);
  const float next = simd_shuffle_down(from, static_cast<ushort>(1));
  const float less = gates_less(gate);
  if (steps > 0) {
    auto own = gates + ((batch * H + head) * chunks + chunk) * 4 * TILE + lane;
    own[0] = gate;
    own[TILE] = upto;
    own[2 * TILE] = lane + 1 < TILE ? next : 1.0f;
    own[3 * TILE] = less;
  }
}
