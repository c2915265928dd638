// dplr forward, step by step, for decoding and short sequences: S = S diag(g[t]) + (S a[t]) (x) b[t] + v[t]
// (x) k[t], where S a[t] is of the state before it decays, o[t] = scale * S q[t]. q, k, a, b are [B, L, H,
// Dk], v and o [B, L, H, Dv]. Peng et al. 2025, RWKV-7, arXiv:2503.14456, section 3.
//
// A simdgroup owns VALUES values of one head, its lanes share the keys: the state stays in registers, and is
// read and written once, in order. For recurrent_backward.metal it keeps the reads u = S a[t], and the state at
// every SPAN steps but the first.
#include <metal_stdlib>

#include "../common/uniform.h"

using namespace metal;

template <
    typename TQ,
    typename TK,
    typename TV,
    typename TA,
    typename TB,
    typename TG,
    int Dk,
    int Dv,
    bool PER_KEY,
    int SIMDGROUPS,
    int VALUES,
    int SPAN,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void dplr_recurrent(
    const device TQ* q,                 // [B, L, H, Dk]
    const device TK* k,                 // [B, L, H, Dk]
    const device TV* v,                 // [B, L, H, Dv]
    const device TA* a,                 // [B, L, H, Dk]
    const device TB* b,                 // [B, L, H, Dk]
    const device TG* g,                 // [B, L, H] or [B, L, H, Dk]
    const device float* initial_state,  // [B, H, Dv, Dk]
    const device bool* reset,           // [B, L]
    const device float* scale,          // [1]
    device TV* o,                       // [B, L, H, Dv]
    device float* final_state,          // [B, H, Dv, Dk]
    device float* update,               // [B, L, H, Dv]
    device float* span_state,           // [B, H, KEPT, Dv, Dk]
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(SIMDGROUPS <= 8, "a threadgroup must not have more than 256 threads");
  static_assert(Dk <= 256 && VALUES <= 4, "a thread must not hold more than 32 numbers of the state");
  constexpr int KEYS = (Dk + 31) / 32;
  constexpr int GATES = PER_KEY ? Dk : 1;

  const int L = v_shape[1];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int value = (threadgroup_position_in_grid.x * SIMDGROUPS + thread_position_in_threadgroup.y) * VALUES;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const long own_head = static_cast<long>(batch) * H + head;
  const long state = (own_head * Dv + value) * Dk + lane;
  const int spans = max((L + SPAN - 1) / SPAN - 1, 1);
  auto kept = span_state + (own_head * spans * Dv + value) * Dk + lane;

  float S[VALUES * KEYS];
#pragma clang loop unroll(full)
  for (int i = 0; i < VALUES * KEYS; ++i) {
    const int from = i / KEYS * Dk + i % KEYS * 32;
    const bool live = value + i / KEYS < Dv && lane + i % KEYS * 32 < Dk;
    S[i] = HAS_INITIAL_STATE && live ? initial_state[state + from] : 0.0f;
  }
  for (int t = 0; t < L; ++t) {
    const long step = static_cast<long>(batch) * L + t;
    const long row = step * H + head;
    const long source = row * Dk + lane;
    const bool forgets = HAS_RESET && reset[step];
    if (t > 0 && t % SPAN == 0) {
#pragma clang loop unroll(full)
      for (int i = 0; i < VALUES * KEYS; ++i) {
        if (value + i / KEYS < Dv && lane + i % KEYS * 32 < Dk) {
          kept[(t / SPAN - 1) * Dv * Dk + i / KEYS * Dk + i % KEYS * 32] = S[i];
        }
      }
    }
    float read[VALUES] = {};
    float sum[VALUES] = {};
#pragma clang loop unroll(full)
    for (int i = 0; i < KEYS; ++i) {
      const float x = lane + i * 32 < Dk ? static_cast<float>(a[source + i * 32]) : 0.0f;
#pragma clang loop unroll(full)
      for (int r = 0; r < VALUES; ++r) {
        S[r * KEYS + i] = forgets ? 0.0f : S[r * KEYS + i];
        read[r] = fma(x, S[r * KEYS + i], read[r]);
      }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < VALUES; ++r) {
      read[r] = uniform_sum(read[r]);
      if (value + r < Dv && lane == 0) {
        update[row * Dv + value + r] = read[r];
      }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < KEYS; ++i) {
      const bool live = lane + i * 32 < Dk;
      const float query = live ? static_cast<float>(q[source + i * 32]) : 0.0f;
      const float key = live ? static_cast<float>(k[source + i * 32]) : 0.0f;
      const float added = live ? static_cast<float>(b[source + i * 32]) : 0.0f;
      const float gate = live ? static_cast<float>(g[row * GATES + (PER_KEY ? lane + i * 32 : 0)]) : 0.0f;
#pragma clang loop unroll(full)
      for (int r = 0; r < VALUES; ++r) {
        const float written = value + r < Dv ? static_cast<float>(v[row * Dv + value + r]) : 0.0f;
        const float decayed = forgets ? 0.0f : gate * S[r * KEYS + i];
        S[r * KEYS + i] = fma(written, key, fma(read[r], added, decayed));
        sum[r] = fma(query, S[r * KEYS + i], sum[r]);
      }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < VALUES; ++r) {
      const float total = uniform_sum(sum[r]);
      if (value + r < Dv && lane == 0) {
        o[row * Dv + value + r] = static_cast<TV>(scale[0] * total);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < VALUES * KEYS; ++i) {
    const int to = i / KEYS * Dk + i % KEYS * 32;
    if (value + i / KEYS < Dv && lane + i % KEYS * 32 < Dk) {
      final_state[state + to] = S[i];
    }
  }
}
