// dplr forward, step by step, for decoding and short sequences: S = S diag(g[t]) + (S a[t]) (x) b[t] + v[t]
// (x) k[t], where S a[t] is of the state before it decays, o[t] = scale * S q[t]. q, k, a, b are [B, L, H,
// Dk], v and o [B, L, H, Dv]. Peng et al. 2025, RWKV-7, arXiv:2503.14456, section 3.
//
// A simdgroup owns VALUES values of one head, its lanes share the keys: the state stays in registers, and is
// read and written once, in order. For recurrent_backward.metal it keeps the reads u = S a[t], and the state
// at every SPAN steps but the first.
#include <metal_stdlib>

#include "../common/lane_keys.h"
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
    device float* span_state,           // [B, H, KEPT, KEPT_DV, KEPT_DK]
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
  const long state = (own_head * Dv + value) * Dk;
  const int spans = max((L + SPAN - 1) / SPAN - 1, 1);
  auto kept = span_state + (own_head * spans * Dv + value) * Dk;

  float S[VALUES][KEYS] = {};
#pragma clang loop unroll(full)
  for (int r = 0; r < VALUES; ++r) {
    if (HAS_INITIAL_STATE && value + r < Dv) {
      lane_keys_load<Dk, KEYS>(S[r], initial_state + state + r * Dk, lane);
    }
  }
  for (int t = 0; t < L; ++t) {
    const long step = static_cast<long>(batch) * L + t;
    const long row = step * H + head;
    const bool forgets = HAS_RESET && reset[step];
    if (t > 0 && t % SPAN == 0) {
#pragma clang loop unroll(full)
      for (int r = 0; r < VALUES; ++r) {
        if (value + r < Dv) {
          lane_keys_store<float, Dk, KEYS>(S[r], kept + r * Dk, lane);
        }
      }
      kept += Dv * Dk;
    }
    float query[KEYS];
    float key[KEYS];
    float erase[KEYS];
    float added[KEYS];
    float gate[KEYS];
    lane_keys_load<Dk, KEYS>(query, q + row * Dk, lane);
    lane_keys_load<Dk, KEYS>(key, k + row * Dk, lane);
    lane_keys_load<Dk, KEYS>(erase, a + row * Dk, lane);
    lane_keys_load<Dk, KEYS>(added, b + row * Dk, lane);
    lane_gates_load<PER_KEY, Dk, KEYS>(gate, g + row * GATES, lane);
    float own_read = 0.0f;  // of value + lane, so that adjacent lanes store adjacent values
    float own_sum = 0.0f;
#pragma clang loop unroll(full)
    for (int r = 0; r < VALUES; ++r) {
      const float written = static_cast<float>(v[row * Dv + min(value + r, Dv - 1)]);
      float read = 0.0f;
      float sum = 0.0f;
#pragma clang loop unroll(full)
      for (int i = 0; i < KEYS; ++i) {
        S[r][i] = forgets ? 0.0f : S[r][i];
        read = fma(erase[i], S[r][i], read);
      }
      read = uniform_sum(read);
#pragma clang loop unroll(full)
      for (int i = 0; i < KEYS; ++i) {
        S[r][i] = fma(written, key[i], fma(read, added[i], gate[i] * S[r][i]));
        sum = fma(query[i], S[r][i], sum);
      }
      sum = uniform_sum(sum);
      own_read = lane == r ? read : own_read;
      own_sum = lane == r ? sum : own_sum;
    }
    if (lane < VALUES && value + lane < Dv) {
      update[row * Dv + value + lane] = own_read;
      o[row * Dv + value + lane] = static_cast<TV>(scale[0] * own_sum);
    }
  }
  if (L <= SPAN && value == 0 && lane == 0) {
    span_state[own_head] = 0.0f;
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < VALUES; ++r) {
    if (value + r < Dv) {
      lane_keys_store<float, Dk, KEYS>(S[r], final_state + state + r * Dk, lane);
    }
  }
}
