// rotlru backward: with z = a * (cos + i sin) and G[t] = grad_y[t] + conj(z[t+1]) * G[t+1],
// G[L-1] += grad_final_state: grad_b[t] = G[t], grad_initial_state = conj(z[0]) * G[0], and of
// X[t] = G[t] * conj(h[t-1]): grad_a = cos * Re X + sin * Im X, grad_cos = a * Re X, grad_sin = a * Im X.
// a, cos, sin are [B, L, D / 2], b [B, L, D]. Orvieto et al. 2023, Resurrecting Recurrent Neural Networks,
// arXiv:2303.06349, eq. 4.
//
// The backward pass walks over the tiles of the forward pass from last to first. It recomputes the states in
// a tile in fp32 from the tile's initial state, so gradients do not depend on the rounding of y.
#include <metal_stdlib>

#include "../common/rotation.h"

using namespace metal;

template <
    typename A,
    typename C,
    typename S,
    typename T,
    int LANES,
    int SLICES,
    int STEPS,
    bool HAS_INITIAL_STATE,
    bool HAS_RESET>
[[kernel]] void rotlru_backward(
    const device A* a,                     // [B, L, D / 2]
    const device C* cos,                   // [B, L, D / 2]
    const device S* sin,                   // [B, L, D / 2]
    const device T* b,                     // [B, L, D]
    const device bool* reset,              // [B, L]
    const device float* tile_state,        // [B, cdiv(L, SLICES * STEPS), D]
    const device T* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D]
    device A* grad_a,                      // [B, L, D / 2]
    device C* grad_cos,                    // [B, L, D / 2]
    device S* grad_sin,                    // [B, L, D / 2]
    device T* grad_b,                      // [B, L, D]
    device float* grad_initial_state,      // [B, D]
    const constant int* a_shape,
    uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
    uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  constexpr int PLANE = SLICES * LANES;
  threadgroup float maps[10 * PLANE];

  const int L = a_shape[1];
  const int pairs = a_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int pair = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = pair < pairs;
  const int slot = slice * LANES + lane;
  const long state = 2 * (static_cast<long>(batch) * pairs + pair);
  const long row = static_cast<long>(batch) * L;
  const long tiles = (L + TILE - 1) / TILE;

  // carry = conj(z[t+1]) * G[t+1] at the right edge of the tile; slice 0 alone uses it.
  float4 carry = float4(0.0f, 0.0f, 0.0f, 0.0f);
  if (in_range) {
    carry = float4(grad_final_state[state], grad_final_state[state + 1], 0.0f, 0.0f);
  }
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float size[STEPS];
    float gate_re[STEPS];
    float gate_im[STEPS];
    float value_u[STEPS];
    float value_w[STEPS];
    float grad_u[STEPS];
    float grad_w[STEPS];
    const long begin = row + tile * TILE;
    const long first = begin + slice * STEPS;
    const long origin = first * pairs + pair - lane;
    const auto a_tile = a + origin;
    const auto cos_tile = cos + origin;
    const auto sin_tile = sin + origin;
    const auto b_tile = b + 2 * origin;
    const auto grad_y_tile = grad_y + 2 * origin;
    const auto grad_a_tile = grad_a + origin;
    const auto grad_cos_tile = grad_cos + origin;
    const auto grad_sin_tile = grad_sin + origin;
    const auto grad_b_tile = grad_b + 2 * origin;
    const int steps = min(STEPS, static_cast<int>(row + L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const int at = i * pairs + lane;
      const bool turns = live && !(HAS_RESET && reset[first + i]);
      size[i] = turns ? static_cast<float>(a_tile[at]) : 1.0f;
      gate_re[i] = turns ? static_cast<float>(cos_tile[at]) : live ? 0.0f : 1.0f;
      gate_im[i] = turns ? static_cast<float>(sin_tile[at]) : 0.0f;
      value_u[i] = live ? static_cast<float>(b_tile[2 * at]) : 0.0f;
      value_w[i] = live ? static_cast<float>(b_tile[2 * at + 1]) : 0.0f;
      grad_u[i] = live ? static_cast<float>(grad_y_tile[2 * at]) : 0.0f;
      grad_w[i] = live ? static_cast<float>(grad_y_tile[2 * at + 1]) : 0.0f;
    }

    float4 product = float4(1.0f, 0.0f, 0.0f, 0.0f);
    float smallest = INFINITY;
    float2 sum = float2(0.0f, 0.0f);
    for (int i = 0; i < STEPS; ++i) {
      const float4 gate = rotation_gate(size[i], gate_re[i], gate_im[i]);
      gate_re[i] = gate.x;
      gate_im[i] = gate.y;
      const float2 value = float2(value_u[i], value_w[i]);
      if (i == 0) {
        product = gate;
        sum = value;
      } else {
        product = rotation_multiply(gate, product);
        sum = rotation_apply<HAS_RESET>(gate.xy, value, sum);
      }
      const float reach = rotation_size(product.xy);
      smallest = reach < smallest ? reach : smallest;
    }
    float2 adjoint = float2(0.0f, 0.0f);
    for (int i = STEPS - 1; i >= 0; --i) {
      const float2 gate = float2(gate_re[i], gate_im[i]);
      const float2 g = float2(grad_u[i], grad_w[i]) + adjoint;
      adjoint = rotation_apply_transposed<HAS_RESET>(gate, float2(0.0f, 0.0f), g);
    }
    maps[slot] = rotation_slice(product.xy, smallest, rotation_size(sum) + rotation_size(adjoint));
    maps[slot + PLANE] = product.y;
    maps[slot + 2 * PLANE] = product.z;
    maps[slot + 3 * PLANE] = product.w;
    maps[slot + 4 * PLANE] = sum.x;
    maps[slot + 5 * PLANE] = sum.y;
    maps[slot + 6 * PLANE] = adjoint.x;
    maps[slot + 7 * PLANE] = adjoint.y;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    const int count = min(TILE, static_cast<int>(row + L - begin));
    const int slices = (count + STEPS - 1) / STEPS;
    const long start = begin * pairs + pair;
    const auto forwards =
        rotation_steps(a + start, cos + start, sin + start, b + 2 * start, reset + begin, pairs, count);
    const auto backwards =
        rotation_steps(a + start, cos + start, sin + start, grad_y + 2 * start, reset + begin, pairs, count);
    float4 entry = float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (in_range && slice == 1) {
      const long saved = 2 * ((batch * tiles + tile) * pairs + pair);
      entry = float4(tile_state[saved], tile_state[saved + 1], 0.0f, 0.0f);
    }
    rotation_fold<HAS_RESET, false, false, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 8 * PLANE, forwards, slice == 1 ? slices : 0, entry);
    carry = rotation_fold<HAS_RESET, true, true, LANES, SLICES, STEPS>(
        maps + lane, maps + lane + 2 * PLANE, backwards, slice == 0 ? slices : 0, carry);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float2 h = float2(maps[slot + 8 * PLANE], maps[slot + 9 * PLANE]);
    float2 from_right = float2(maps[slot + 2 * PLANE], maps[slot + 3 * PLANE]);
    // From here on value is h[t-1].
    for (int i = 0; i < STEPS; ++i) {
      const float2 previous = h;
      h = rotation_apply<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(value_u[i], value_w[i]), h);
      value_u[i] = previous.x;
      value_w[i] = previous.y;
    }
    for (int i = STEPS - 1; i >= 0; --i) {
      const float2 g = float2(grad_u[i], grad_w[i]) + from_right;
      const float u = g.x;
      const float w = g.y;
      if (in_range && i < steps) {
        const int at = i * pairs + lane;
        const bool forgets = HAS_RESET && reset[first + i];
        const float along = fma(u, value_u[i], w * value_w[i]);
        const float across = fma(w, value_u[i], -u * value_w[i]);
        const float length = static_cast<float>(a_tile[at]);
        const float turned =
            fma(static_cast<float>(cos_tile[at]), along, static_cast<float>(sin_tile[at]) * across);
        grad_b_tile[2 * at] = static_cast<T>(u);
        grad_b_tile[2 * at + 1] = static_cast<T>(w);
        grad_a_tile[at] = static_cast<A>(forgets ? 0.0f : turned);
        grad_cos_tile[at] = static_cast<C>(forgets ? 0.0f : length * along);
        grad_sin_tile[at] = static_cast<S>(forgets ? 0.0f : length * across);
      }
      from_right =
          rotation_apply_transposed<HAS_RESET>(float2(gate_re[i], gate_im[i]), float2(0.0f, 0.0f), g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry.x;
    grad_initial_state[state + 1] = carry.y;
  }
}
