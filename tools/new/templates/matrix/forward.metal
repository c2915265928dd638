// NAME forward:
// h[t] = g[t] * h[t-1] + k[t] (x) v[t], o[t] = q[t] . h[t], each head on its own.
// q, k are [B, L, H, Dk], v and o [B, L, H, Dv], g [B, L, H]; h[-1] is initial_state [B, H, Dk, Dv] or 0.
// Dao and Gu 2024, Transformers are SSMs, arXiv:2405.21060.
//
// A threadgroup owns LANES value columns of one head and walks over time. The state lies in registers: the
// thread (lane, slice) holds KEYS keys of one column, so o is a sum over slices, through threadgroup memory.
#include <metal_stdlib>

using namespace metal;

template <
    typename Q,
    typename K,
    typename V,
    typename G,
    int LANES,
    int KEYS,
    int SLICES,
    int CHUNK,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void NAME_forward(
    const device Q* q,                  // [B, L, H, Dk]
    const device K* k,                  // [B, L, H, Dk]
    const device V* v,                  // [B, L, H, Dv]
    const device G* g,                  // [B, L, H]
    const device float* initial_state,  // [B, H, Dk, Dv]
    const device bool* reset,           // [B, L]
    device V* o,                        // [B, L, H, Dv]
    device float* final_state,          // [B, H, Dk, Dv]
    device float* chunk_state,          // [B, cdiv(L, CHUNK), H, Dk, Dv]
    const constant int* q_shape,
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(KEYS <= 16, "a thread must hold at most 16 keys, because its state lies in registers");
  threadgroup float slice_sum[2 * SLICES * LANES];

  const int L = q_shape[1];
  const int H = q_shape[2];
  const int Dk = q_shape[3];
  const int Dv = v_shape[3];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int column = threadgroup_position_in_grid.x * LANES + lane;
  const long head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const bool in_range = column < Dv;
  const int first_key = slice * KEYS;
  const int keys = in_range ? min(KEYS, Dk - first_key) : 0;
  const long state = ((batch * H + head) * Dk + first_key) * Dv + column;
  const int chunks = (L + CHUNK - 1) / CHUNK;

  float h[KEYS];
  for (int n = 0; n < KEYS; ++n) {
    h[n] = HAS_INITIAL_STATE && n < keys ? initial_state[state + static_cast<long>(n) * Dv] : 0.0f;
  }
  for (int t = 0; t < L; ++t) {
    if (t % CHUNK == 0) {
      const long saved = (((batch * chunks + t / CHUNK) * H + head) * Dk + first_key) * Dv + column;
      for (int n = 0; n < keys; ++n) {
        chunk_state[saved + static_cast<long>(n) * Dv] = h[n];
      }
    }

    const long row = (batch * L + t) * H + head;
    const bool forgets = HAS_RESET && reset[batch * L + t];
    const float gate = static_cast<float>(g[row]);
    const float value = in_range ? static_cast<float>(v[row * Dv + column]) : 0.0f;
    float sum = 0.0f;
    for (int n = 0; n < KEYS; ++n) {
      const bool live = n < keys;
      const long at = row * Dk + first_key + n;
      const float key = live ? static_cast<float>(k[at]) : 0.0f;
      const float query = live ? static_cast<float>(q[at]) : 0.0f;
      h[n] = fma(gate, forgets ? 0.0f : h[n], key * value);
      sum = fma(query, h[n], sum);
    }

    // Two buffers in turn: one barrier a step keeps writers of the next step off those who still read.
    const int buffer = t % 2 * SLICES * LANES;
    slice_sum[buffer + slice * LANES + lane] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (slice == 0 && in_range) {
      float total = 0.0f;
      for (int s = 0; s < SLICES; ++s) {
        total += slice_sum[buffer + s * LANES + lane];
      }
      o[row * Dv + column] = static_cast<V>(total);
    }
  }
  for (int n = 0; n < keys; ++n) {
    final_state[state + static_cast<long>(n) * Dv] = h[n];
  }
}
