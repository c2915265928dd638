// NAME backward:
// with G[t] = q[t] (x) grad_o[t] + g[t+1] * G[t+1] and G[L-1] += grad_final_state, each head on its own,
// grad_q[t] = h[t] . grad_o[t], grad_k[t] = G[t] . v[t], grad_v[t] = k[t] . G[t], grad_g[t] = sum(G[t] o
// h[t-1]), grad_initial_state = g[0] * G[0]. q, k are [B, L, H, Dk], v and o [B, L, H, Dv], g [B, L, H]. Dao
// and Gu 2024, Transformers are SSMs, arXiv:2405.21060.
//
// The threadgroups of the forward pass, walking over its chunks from last to first. A chunk's states are
// recomputed from the one that entered it and kept in `states`. What sums over all value columns comes in
// parts, one a threadgroup, that the next steps of the pass add up: nothing is atomic, so runs repeat.
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
[[kernel]] void NAME_backward(
    const device Q* q,                     // [B, L, H, Dk]
    const device K* k,                     // [B, L, H, Dk]
    const device V* v,                     // [B, L, H, Dv]
    const device G* g,                     // [B, L, H]
    const device bool* reset,              // [B, L]
    const device float* chunk_state,       // [B, cdiv(L, CHUNK), H, Dk, Dv]
    const device V* grad_o,                // [B, L, H, Dv]
    const device float* grad_final_state,  // [B, H, Dk, Dv]
    device float* grad_q_part,             // [B, L, H, BLOCKS, Dk]
    device float* grad_k_part,             // [B, L, H, BLOCKS, Dk]
    device V* grad_v,                      // [B, L, H, Dv]
    device float* grad_g_part,             // [B, L, H, BLOCKS * SLICES]
    device float* grad_initial_state,      // [B, H, Dk, Dv]
    device float* states,                  // [B, H, CHUNK, Dk, Dv]
    const constant int* q_shape,
    const constant int* v_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES == 32, "LANES must be 32, because a simdgroup sums over the lanes of a slice");
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  static_assert(KEYS <= 16, "a thread must hold at most 16 keys, because its state lies in registers");
  threadgroup float slice_sum[2 * SLICES * LANES];

  const int L = q_shape[1];
  const int H = q_shape[2];
  const int Dk = q_shape[3];
  const int Dv = v_shape[3];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int block = threadgroup_position_in_grid.x;
  const int column = block * LANES + lane;
  const long head = threadgroup_position_in_grid.y;
  const long batch = threadgroup_position_in_grid.z;
  const bool in_range = column < Dv;
  const int first_key = slice * KEYS;
  const int keys = min(KEYS, Dk - first_key);
  const long state = ((batch * H + head) * Dk + first_key) * Dv + column;
  const long kept = ((batch * H + head) * CHUNK * Dk + first_key) * Dv + column;
  const int blocks = (Dv + LANES - 1) / LANES;
  const int chunks = (L + CHUNK - 1) / CHUNK;

  // carry = g[t+1] * G[t+1].
  float carry[KEYS];
  for (int n = 0; n < KEYS; ++n) {
    carry[n] = in_range && n < keys ? grad_final_state[state + static_cast<long>(n) * Dv] : 0.0f;
  }
  for (int chunk = chunks - 1; chunk >= 0; --chunk) {
    const int first = chunk * CHUNK;
    const int last = min(first + CHUNK, L) - 1;
    const long saved = (((batch * chunks + chunk) * H + head) * Dk + first_key) * Dv + column;
    float h[KEYS];
    for (int n = 0; n < KEYS; ++n) {
      h[n] = in_range && n < keys ? chunk_state[saved + static_cast<long>(n) * Dv] : 0.0f;
    }
    for (int t = first; t <= last; ++t) {
      const long row = (batch * L + t) * H + head;
      const bool forgets = HAS_RESET && reset[batch * L + t];
      const float gate = static_cast<float>(g[row]);
      const float value = in_range ? static_cast<float>(v[row * Dv + column]) : 0.0f;
      const float grad = in_range ? static_cast<float>(grad_o[row * Dv + column]) : 0.0f;
      for (int n = 0; n < KEYS; ++n) {
        const float previous = forgets ? 0.0f : h[n];
        const float key = n < keys ? static_cast<float>(k[row * Dk + first_key + n]) : 0.0f;
        h[n] = fma(gate, previous, key * value);
        const float total = simd_sum(h[n] * grad);
        if (in_range && n < keys) {
          states[kept + (static_cast<long>(t - first) * Dk + n) * Dv] = previous;
        }
        if (lane == 0 && n < keys) {
          grad_q_part[(row * blocks + block) * Dk + first_key + n] = total;
        }
      }
    }

    for (int t = last; t >= first; --t) {
      const long row = (batch * L + t) * H + head;
      const bool forgets = HAS_RESET && reset[batch * L + t];
      const float gate = static_cast<float>(g[row]);
      const float value = in_range ? static_cast<float>(v[row * Dv + column]) : 0.0f;
      const float grad = in_range ? static_cast<float>(grad_o[row * Dv + column]) : 0.0f;
      float grad_value = 0.0f;
      float grad_gate = 0.0f;
      for (int n = 0; n < KEYS; ++n) {
        const bool live = in_range && n < keys;
        const long at = row * Dk + first_key + n;
        const float key = live ? static_cast<float>(k[at]) : 0.0f;
        const float query = live ? static_cast<float>(q[at]) : 0.0f;
        const float previous = live ? states[kept + (static_cast<long>(t - first) * Dk + n) * Dv] : 0.0f;
        const float grad_h = fma(query, grad, carry[n]);
        grad_value = fma(grad_h, key, grad_value);
        grad_gate = fma(grad_h, previous, grad_gate);
        carry[n] = forgets ? 0.0f : gate * grad_h;
        const float total = simd_sum(grad_h * value);
        if (lane == 0 && n < keys) {
          grad_k_part[(row * blocks + block) * Dk + first_key + n] = total;
        }
      }
      grad_gate = simd_sum(grad_gate);
      if (lane == 0) {
        grad_g_part[(row * blocks + block) * SLICES + slice] = grad_gate;
      }

      // Two buffers in turn: one barrier a step keeps writers of the next step off those who still read.
      const int buffer = t % 2 * SLICES * LANES;
      slice_sum[buffer + slice * LANES + lane] = grad_value;
      threadgroup_barrier(mem_flags::mem_threadgroup);
      if (slice == 0 && in_range) {
        float total = 0.0f;
        for (int s = 0; s < SLICES; ++s) {
          total += slice_sum[buffer + s * LANES + lane];
        }
        grad_v[row * Dv + column] = static_cast<V>(total);
      }
    }
  }
  for (int n = 0; n < KEYS; ++n) {
    if (HAS_INITIAL_STATE && in_range && n < keys) {
      grad_initial_state[state + static_cast<long>(n) * Dv] = carry[n];
    }
  }
}
