// ssd with one A a head, the scores of a tile's pairs of steps, one set for all heads that share B and C.
//   scores[i][j] = sum over n of C[i][n] B[j][n] for j <= i
// Dao and Gu 2024, arXiv:2405.21060, section 6.
//
// A threadgroup owns a tile of 32 steps of one group, whose keys it takes 32 at a time.
#include <metal_stdlib>

#include "../common/scores.h"
#include "../common/tile.h"

using namespace metal;

template <typename TB, typename TC, int N, int G>
[[kernel]] void ssd_scores(
    const device TB* B,    // [B, L, G, N]
    const device TC* C,    // [B, L, G, N]
    device float* scores,  // [B, G, CHUNKS, 32, 32]
    const constant int* B_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  threadgroup float later[TILE_SIZE];
  threadgroup float earlier[TILE_SIZE];

  const int L = B_shape[1];
  const int lane = thread_position_in_threadgroup.x;
  const int simdgroup = thread_position_in_threadgroup.y;
  const int chunk = threadgroup_position_in_grid.x;
  const int group = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const int chunks = (L + TILE - 1) / TILE;
  const long first = ((batch * L + chunk * TILE) * G + group) * N;
  const tile_place place = {0, min(TILE, L - chunk * TILE), simdgroup, lane};

  tile_sum sum;
  tile_clear(sum);
  for (int key = 0; key < N; key += TILE) {
    auto rows = view_of(C + first + key, G * N, N - key);
    auto columns = view_of(B + first + key, G * N, N - key);
    tile_load_both<TC, TB>(later, rows, earlier, columns, place);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    scores_product<TC, TB>(sum, later, earlier, simdgroup);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  tile_put(sum, later, simdgroup);
  simdgroup_barrier(mem_flags::mem_threadgroup);
  auto own = scores + ((batch * G + group) * chunks + chunk) * TILE * TILE;
  tile_store<float>(later, view_of(own, TILE, TILE), {0, TILE, simdgroup, lane});
}
