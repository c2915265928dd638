// dplr backward, step by step: with S the state that enters step t, u = S a its read, D the state that leaves
// it, and G the adjoint of D after the step's output has been read,
//   (1) D = S diag(g) + u (x) b + v (x) k,  grad_q = scale * D^T grad_o,
//   (2) G += scale * grad_o (x) q,  grad_v = G k,  d = G b,
//   (3) grad_k = G^T v,  grad_b = G^T u,  grad_a = S^T d,  grad_g = sum over values of S o G,
//   (4) G = G diag(g) + d (x) a, the adjoint of the state that leaves the step before.
// q, k, a, b are [B, L, H, Dk], v and grad_o [B, L, H, Dv]. Peng et al. 2025, RWKV-7, arXiv:2503.14456,
// section 3.
//
// A simdgroup owns one head, its lanes share the keys. recurrent.metal keeps u, and the state at every SPAN
// steps: from there (1) makes the states of a span anew, into `states`, and (2) to (4) walk back over it.
#include <metal_stdlib>

#include "../common/lane_keys.h"
#include "../common/uniform.h"

using namespace metal;

// A state of Dk keys for each of Dv values, to one whose rows are padded to 32 * KEYS numbers.
template <int Dk, int Dv, int KEYS, typename Source, typename Destination>
METAL_FUNC void state_load(Source source, Destination destination, int lane) {
  for (int value = 0; value < Dv; ++value) {
    float row[KEYS];
    lane_keys_load<Dk, KEYS>(row, source + value * Dk, lane);
    lane_keys_store<float, 32, KEYS>(row, destination + value * 32 * KEYS, lane);
  }
}

template <int Dv, int KEYS, typename Destination>
METAL_FUNC void state_clear(Destination destination, int lane) {
  for (int at = lane; at < Dv * 32 * KEYS; at += 32) {
    destination[at] = 0.0f;
  }
}

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
    int SPAN,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void dplr_recurrent_backward(
    const device TQ* q,                    // [B, L, H, Dk]
    const device TK* k,                    // [B, L, H, Dk]
    const device TV* v,                    // [B, L, H, Dv]
    const device TA* a,                    // [B, L, H, Dk]
    const device TB* b,                    // [B, L, H, Dk]
    const device TG* g,                    // [B, L, H] or [B, L, H, Dk]
    const device float* initial_state,     // [B, H, Dv, Dk]
    const device bool* reset,              // [B, L]
    const device float* scale,             // [1]
    const device float* span_state,        // [B, H, KEPT, KEPT_DV, KEPT_DK]
    const device float* update,            // [B, L, H, Dv]
    const device TV* grad_o,               // [B, L, H, Dv]
    const device float* grad_final_state,  // [B, H, Dv, Dk]
    device float* states,                  // [B, H, SPAN + 1, Dv, LANES]
    device TQ* grad_q,                     // [B, L, H, Dk]
    device TK* grad_k,                     // [B, L, H, Dk]
    device TV* grad_v,                     // [B, L, H, Dv]
    device TA* grad_a,                     // [B, L, H, Dk]
    device TB* grad_b,                     // [B, L, H, Dk]
    device TG* grad_g,                     // [B, L, H] or [B, L, H, Dk]
    device float* grad_initial_state,      // [B, H, Dv, Dk]
    const constant int* v_shape,
    const constant int* span_state_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(Dk <= 256, "a head must not have more than 256 keys");
  constexpr int KEYS = (Dk + 31) / 32;
  constexpr int GATES = PER_KEY ? Dk : 1;
  constexpr int LANES = 32 * KEYS;
  constexpr int STATE = Dv * LANES;

  const int L = v_shape[1];
  const int H = v_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int head = threadgroup_position_in_grid.y;
  const int batch = threadgroup_position_in_grid.z;
  const long own_head = static_cast<long>(batch) * H + head;
  const long state = own_head * Dv * Dk;
  auto spans = span_state + own_head * span_state_shape[2] * Dv * Dk;
  auto entering = states + own_head * (SPAN + 1) * STATE;
  auto adjoint = entering + SPAN * STATE;

  state_load<Dk, Dv, KEYS>(grad_final_state + state, adjoint, lane);
  for (int span = (L - 1) / SPAN; span >= 0; --span) {
    const int begin = span * SPAN;
    const int end = min(begin + SPAN, L);
    if (span > 0) {
      state_load<Dk, Dv, KEYS>(spans + (span - 1) * Dv * Dk, entering, lane);
    } else if (HAS_INITIAL_STATE) {
      state_load<Dk, Dv, KEYS>(initial_state + state, entering, lane);
    } else {
      state_clear<Dv, KEYS>(entering, lane);
    }

    for (int t = begin; t < end; ++t) {
      const long step = static_cast<long>(batch) * L + t;
      const long row = step * H + head;
      const bool forgets = HAS_RESET && reset[step];
      auto S = entering + (t - begin) * STATE;
      float key[KEYS];
      float added[KEYS];
      float gate[KEYS];
      float grad_query[KEYS] = {};
      lane_keys_load<Dk, KEYS>(key, k + row * Dk, lane);
      lane_keys_load<Dk, KEYS>(added, b + row * Dk, lane);
      lane_gates_load<PER_KEY, Dk, KEYS>(gate, g + row * GATES, lane);
      for (int value = 0; value < Dv; ++value) {
        const float written = static_cast<float>(v[row * Dv + value]);
        const float read = update[row * Dv + value];
        const float output = scale[0] * static_cast<float>(grad_o[row * Dv + value]);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEYS; ++i) {  // (1)
          const int at = value * LANES + i * 32 + lane;
          const float decayed = forgets ? 0.0f : gate[i] * S[at];
          const float leaving = fma(written, key[i], fma(read, added[i], decayed));
          grad_query[i] = fma(output, leaving, grad_query[i]);
          if (t + 1 < end) {
            S[STATE + at] = leaving;
          }
        }
      }
      lane_keys_store<TQ, Dk, KEYS>(grad_query, grad_q + row * Dk, lane);
    }

    for (int t = end - 1; t >= begin; --t) {
      const long step = static_cast<long>(batch) * L + t;
      const long row = step * H + head;
      const bool forgets = HAS_RESET && reset[step];
      auto S = entering + (t - begin) * STATE;
      float query[KEYS];
      float key[KEYS];
      float erase[KEYS];
      float added[KEYS];
      float gate[KEYS];
      float grad_key[KEYS] = {};
      float grad_erase[KEYS] = {};
      float grad_added[KEYS] = {};
      float grad_gate[KEYS] = {};
      float own_value =
          0.0f;  // that of every 32 values which has the lane's number, so that they are stored at once
      lane_keys_load<Dk, KEYS>(query, q + row * Dk, lane);
      lane_keys_load<Dk, KEYS>(key, k + row * Dk, lane);
      lane_keys_load<Dk, KEYS>(erase, a + row * Dk, lane);
      lane_keys_load<Dk, KEYS>(added, b + row * Dk, lane);
      lane_gates_load<PER_KEY, Dk, KEYS>(gate, g + row * GATES, lane);
      for (int value = 0; value < Dv; ++value) {
        const float written = static_cast<float>(v[row * Dv + value]);
        const float read = update[row * Dv + value];
        const float output = scale[0] * static_cast<float>(grad_o[row * Dv + value]);
        float own[KEYS];
        float by_key = 0.0f;
        float by_added = 0.0f;
#pragma clang loop unroll(full)
        for (int i = 0; i < KEYS; ++i) {  // (2)
          own[i] = fma(output, query[i], adjoint[value * LANES + i * 32 + lane]);
          by_key = fma(own[i], key[i], by_key);
          by_added = fma(own[i], added[i], by_added);
        }
        by_key = uniform_sum(by_key);
        by_added = uniform_sum(by_added);
#pragma clang loop unroll(full)
        for (int i = 0; i < KEYS; ++i) {  // (3), (4)
          const int at = value * LANES + i * 32 + lane;
          grad_key[i] = fma(written, own[i], grad_key[i]);
          grad_added[i] = fma(read, own[i], grad_added[i]);
          grad_erase[i] = fma(by_added, S[at], grad_erase[i]);
          grad_gate[i] = fma(S[at], own[i], grad_gate[i]);
          adjoint[at] = forgets ? 0.0f : fma(by_added, erase[i], gate[i] * own[i]);
        }
        own_value = lane == value % 32 ? by_key : own_value;
        if (value % 32 == 31 || value == Dv - 1) {
          const int at = value / 32 * 32 + lane;
          if (at <= value) {
            grad_v[row * Dv + at] = static_cast<TV>(own_value);
          }
        }
      }
#pragma clang loop unroll(full)
      for (int i = 0; i < KEYS; ++i) {
        grad_erase[i] = forgets ? 0.0f : grad_erase[i];
        grad_gate[i] = forgets ? 0.0f : grad_gate[i];
      }
      lane_keys_store<TK, Dk, KEYS>(grad_key, grad_k + row * Dk, lane);
      lane_keys_store<TA, Dk, KEYS>(grad_erase, grad_a + row * Dk, lane);
      lane_keys_store<TB, Dk, KEYS>(grad_added, grad_b + row * Dk, lane);
      if (PER_KEY) {
        lane_keys_store<TG, Dk, KEYS>(grad_gate, grad_g + row * GATES, lane);
      } else {
        float sum = 0.0f;
#pragma clang loop unroll(full)
        for (int i = 0; i < KEYS; ++i) {
          sum += grad_gate[i];
        }
        sum = uniform_sum(sum);
        if (lane == 0) {
          grad_g[row] = static_cast<TG>(sum);
        }
      }
    }
  }
  for (int value = 0; HAS_INITIAL_STATE && value < Dv; ++value) {
    float own[KEYS];
    lane_keys_load<32, KEYS>(own, adjoint + value * LANES, lane);
    lane_keys_store<float, Dk, KEYS>(own, grad_initial_state + state + value * Dk, lane);
  }
}
