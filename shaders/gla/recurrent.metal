// gla forward, step by step, for decoding and short sequences: h = g[t] * h + k[t] (x) v[t],
// o[t] = scale * q[t] . h. q, k are [B, L, Hk, Dk], v and o [B, L, H, Dv]. Yang et al. 2024,
// arXiv:2312.06635, eq. 3.
//
// A threadgroup owns LANES values of one head. Its SLICES simdgroups share the keys, each thread holding
// those of its slice in registers, so the state is read and written once.
#include <metal_stdlib>

#include "../common/gates.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    int Dk,
    int Dv,
    bool PER_KEY,
    int LANES,
    int SLICES,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gla_recurrent(
    const device TQ* q,                 // [B, L, Hk, Dk]
    const device TK* k,                 // [B, L, Hk, Dk]
    const device TV* v,                 // [B, L, H, Dv]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device float* initial_state,  // [B, H, Dk, Dv]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    device TV* o,                       // [B, L, H, Dv]
    device float* final_state,          // [B, H, Dk, Dv]
    const constant int* k_shape,
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(Dk <= 32 * SLICES, "a thread must not hold more than 32 keys of the state");
  constexpr int KEYS = (Dk + SLICES - 1) / SLICES;
  constexpr int GATES = PER_KEY ? Dk : 1;
  threadgroup float partial[SLICES * LANES];

  const int L = v_shape[1];
  const int Hk = k_shape[2];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int value = threadgroup_position_in_grid.x * LANES + lane;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const bool in_range = value < Dv;
  const int first = slice * KEYS;
  const int keys = min(KEYS, Dk - first);
  const long state = ((static_cast<long>(batch) * H + head) * Dk + first) * Dv + value;

  float h[KEYS];
  for (int i = 0; i < KEYS; ++i) {
    h[i] = HAS_INITIAL_STATE && in_range && i < keys ? initial_state[state + i * Dv] : 0.0f;
  }
  for (int t = 0; t < L; ++t) {
    const long step = static_cast<long>(batch) * L + t;
    const long source = (step * Hk + head / (H / Hk)) * Dk + first;
    const long row = step * H + head;
    const float input = in_range ? static_cast<float>(v[row * Dv + value]) : 0.0f;
    const bool forgets = HAS_RESET && reset[step];
    float sum = 0.0f;
    for (int i = 0; i < KEYS; ++i) {
      if (i < keys) {
        const float gate = static_cast<float>(g[row * GATES + (PER_KEY ? first + i : 0)]);
        h[i] = fma(static_cast<float>(k[source + i]), input, forgets ? 0.0f : gate * h[i]);
        sum = fma(static_cast<float>(q[source + i]), h[i], sum);
      }
    }
    partial[slice * LANES + lane] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (slice == 0 && in_range) {
      float total = 0.0f;
      for (int s = 0; s < SLICES; ++s) {
        total += partial[s * LANES + lane];
      }
      o[row * Dv + value] = static_cast<TV>(scale[0] * total);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  for (int i = 0; i < KEYS; ++i) {
    if (in_range && i < keys) {
      final_state[state + i * Dv] = h[i];
    }
  }
}
