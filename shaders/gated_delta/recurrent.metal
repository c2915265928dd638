// gated_delta forward, step by step, for decoding and short sequences: S = g[t] o S, S += (beta[t] (v[t] -
// S r[t])) (x) k[t], o[t] = scale * S q[t], where r is erase or else k. q, k, erase are [B, L, Hk, Dk], v and
// o [B, L, H, Dv]. Yang et al. 2024, arXiv:2412.06464, eq. 10.
//
// A simdgroup owns VALUES values of one head, its lanes share the keys: the state stays in registers, and is
// read and written once, in order.
#include <metal_stdlib>

#include "../common/uniform.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TG,
    typename TB,
    typename TE,
    int Dk,
    int Dv,
    bool PER_KEY,
    int SIMDGROUPS,
    int VALUES,
    bool HAS_ERASE,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void gated_delta_recurrent(
    const device TQ* q,                 // [B, L, Hk, Dk]
    const device TK* k,                 // [B, L, Hk, Dk]
    const device TV* v,                 // [B, L, H, Dv]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device TB* beta,              // [B, L, H]
    const device TE* erase,             // [B, L, Hk, Dk]
    const device float* initial_state,  // [B, H, Dv, Dk]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    device TV* o,                       // [B, L, H, Dv]
    device float* final_state,          // [B, H, Dv, Dk]
    const constant int* k_shape,
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(SIMDGROUPS <= 16, "a threadgroup must not have more than 512 threads");
  static_assert(Dk <= 256 && VALUES <= 4, "a thread must not hold more than 32 numbers of the state");
  constexpr int KEYS = (Dk + 31) / 32;
  constexpr int GATES = PER_KEY ? Dk : 1;

  const int L = v_shape[1];
  const int Hk = k_shape[2];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int value = (threadgroup_position_in_grid.x * SIMDGROUPS + thread_position_in_threadgroup.y) * VALUES;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const long state = ((static_cast<long>(batch) * H + head) * Dv + value) * Dk + lane;

  float S[VALUES * KEYS];
  float key[KEYS];
  float read[KEYS];
  float query[KEYS];
  for (int i = 0; i < VALUES * KEYS; ++i) {
    const int from = i / KEYS * Dk + i % KEYS * 32;
    const bool live = value + i / KEYS < Dv && lane + i % KEYS * 32 < Dk;
    S[i] = HAS_INITIAL_STATE && live ? initial_state[state + from] : 0.0f;
  }
  for (int t = 0; t < L; ++t) {
    const long step = static_cast<long>(batch) * L + t;
    const long row = step * H + head;
    const long source = (step * Hk + head / (H / Hk)) * Dk + lane;
    const bool forgets = HAS_RESET && reset[step];
    for (int i = 0; i < KEYS; ++i) {
      const bool live = lane + i * 32 < Dk;
      key[i] = live ? static_cast<float>(k[source + i * 32]) : 0.0f;
      read[i] = !HAS_ERASE ? key[i] : live ? static_cast<float>(erase[source + i * 32]) : 0.0f;
      query[i] = live ? static_cast<float>(q[source + i * 32]) : 0.0f;
      const float gate = live ? static_cast<float>(g[row * GATES + (PER_KEY ? lane + i * 32 : 0)]) : 0.0f;
      for (int r = 0; r < VALUES; ++r) {
        S[r * KEYS + i] = forgets ? 0.0f : gate * S[r * KEYS + i];
      }
    }
    for (int r = 0; r < VALUES; ++r) {
      const bool live = value + r < Dv;
      float predicted = 0.0f;
      for (int i = 0; i < KEYS; ++i) {
        predicted = fma(read[i], S[r * KEYS + i], predicted);
      }
      const float error =
          (live ? static_cast<float>(v[row * Dv + value + r]) : 0.0f) - uniform_sum(predicted);
      const float update = static_cast<float>(beta[row]) * error;
      float sum = 0.0f;
      for (int i = 0; i < KEYS; ++i) {
        S[r * KEYS + i] = fma(update, key[i], S[r * KEYS + i]);
        sum = fma(query[i], S[r * KEYS + i], sum);
      }
      sum = uniform_sum(sum);
      if (live && lane == 0) {
        o[row * Dv + value + r] = static_cast<TV>(scale[0] * sum);
      }
    }
  }
  for (int i = 0; i < VALUES * KEYS; ++i) {
    const int to = i / KEYS * Dk + i % KEYS * 32;
    if (value + i / KEYS < Dv && lane + i % KEYS * 32 < Dk) {
      final_state[state + to] = S[i];
    }
  }
}
