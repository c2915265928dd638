#line 1 "shaders/associative_scan/backward.metal"







#include <metal_stdlib>

#line 1 "shaders/common/affine.h"



#include <metal_stdlib>



template <bool RESETS>
inline float affine_apply(float a, float b, float h) {
  return RESETS && a == 0.0f ? b : metal::fma(a, h, b);
}



template <bool RESETS, typename Maps>
inline float affine_fold(Maps a, Maps b, int stride, int slices, float h) {
  for (int s = 0; s < slices; ++s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}


template <bool RESETS, typename Maps>
inline float affine_fold_reverse(Maps a, Maps b, int stride, int slices, int first, float h) {
  for (int s = slices - 1; s >= first; --s) {
    h = affine_apply<RESETS>(a[s * stride], b[s * stride], h);
  }
  return h;
}

#line 11 "shaders/associative_scan/backward.metal"
#line 1 "shaders/associative_scan/operators.h"




#include <metal_stdlib>

enum ScanOperator { SCAN_ADD, SCAN_MUL, SCAN_MAX, SCAN_MIN, SCAN_LOGADDEXP };


template <int OP>
inline float scan_identity() {
  if (OP == SCAN_MUL) {
    return 1.0f;
  }
  if (OP == SCAN_MAX || OP == SCAN_LOGADDEXP) {
    return -INFINITY;
  }
  return OP == SCAN_MIN ? INFINITY : 0.0f;
}


template <int OP>
inline bool scan_keeps(float earlier, float later) {
  return (OP == SCAN_MAX ? earlier >= later : earlier <= later) || metal::isnan(earlier);
}

template <int OP>
inline float scan_combine(float earlier, float later) {
  if (OP == SCAN_MUL) {
    return earlier * later;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    return scan_keeps<OP>(earlier, later) ? earlier : later;
  }
  if (OP == SCAN_LOGADDEXP) {

    const float gap = earlier == later ? 0.0f : metal::fabs(earlier - later);
    return metal::max(earlier, later) + metal::log(1.0f + metal::exp(-gap));
  }
  return earlier + later;
}


inline float scan_share(float value, float sum) {
  return value == sum ? 1.0f : metal::exp(value - sum);
}


template <int OP>
inline float scan_by_earlier(float earlier, float later, float result) {
  if (OP == SCAN_MUL) {
    return later;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    return scan_keeps<OP>(earlier, later) ? 1.0f : 0.0f;
  }
  return OP == SCAN_LOGADDEXP ? scan_share(earlier, result) : 1.0f;
}


template <int OP>
inline float scan_by_later(float earlier, float later, float result) {
  if (OP == SCAN_MUL) {
    return earlier;
  }
  if (OP == SCAN_MAX || OP == SCAN_MIN) {
    return scan_keeps<OP>(earlier, later) ? 0.0f : 1.0f;
  }
  return OP == SCAN_LOGADDEXP ? scan_share(later, result) : 1.0f;
}



template <int OP, bool RESETS, typename Totals, typename Forgets>
inline float scan_fold(Totals totals, Forgets forgets, int stride, int first, int end, float before) {
  for (int s = first; s < end; ++s) {
    const float total = totals[s * stride];
    before = RESETS && forgets[s * stride] ? total : scan_combine<OP>(before, total);
  }
  return before;
}

#line 12 "shaders/associative_scan/backward.metal"

using namespace metal;

template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_backward_4f24f5b5__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float(
  const device float* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device bool* reset [[buffer(2)]],
  const device float* tile_state [[buffer(3)]],
  const device float* grad_y [[buffer(4)]],
  const device float* grad_final_state [[buffer(5)]],
  device float* grad_x [[buffer(6)]],
  device float* grad_initial_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 34 "shaders/associative_scan/backward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_total[SLICES * LANES];
  threadgroup float slice_keep[SLICES * LANES];
  threadgroup float slice_adjoint[SLICES * LANES];
  threadgroup bool slice_forgets[SLICES * LANES];

  const int L = x_shape[1];
  const int D = x_shape[2];
  const int lane = thread_position_in_threadgroup.x;
  const int slice = thread_position_in_threadgroup.y;
  const int batch = threadgroup_position_in_grid.z;
  const int channel = threadgroup_position_in_grid.x * LANES + lane;
  const bool in_range = channel < D;
  const int slot = slice * LANES + lane;
  const long state = static_cast<long>(batch) * D + channel;

  const long origin = static_cast<long>(batch) * L + (REVERSE ? L - 1 : 0);
  const int direction = REVERSE ? -1 : 1;
  const long tiles = (L + TILE - 1) / TILE;


  float carry = in_range ? grad_final_state[state] : 0.0f;
  for (long tile = tiles - 1; tile >= 0; --tile) {
    float value[STEPS];
    float grad[STEPS];
    bool fresh[STEPS];
    const long first = tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long row = origin + direction * (first + i);
      value[i] = live ? static_cast<float>(x[row * D + channel]) : scan_identity<OP>();
      grad[i] = live ? static_cast<float>(grad_y[row * D + channel]) : 0.0f;

      fresh[i] = live && ((HAS_RESET && reset[row]) || (!HAS_INITIAL_STATE && first + i == 0));
    }

    float total = scan_identity<OP>();
    bool forgets = false;
    for (int i = 0; i < STEPS; ++i) {
      total = fresh[i] ? value[i] : scan_combine<OP>(total, value[i]);
      forgets = forgets || fresh[i];
    }
    slice_total[slot] = total;
    slice_forgets[slot] = forgets;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    const float entry = in_range ? tile_state[(batch * tiles + tile) * D + channel] : scan_identity<OP>();
    float h = scan_fold<OP, HAS_RESET>(slice_total + lane, slice_forgets + lane, LANES, 0, slice, entry);


    float keep[STEPS];
    for (int i = 0; i < STEPS; ++i) {
      const float next = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      keep[i] = fresh[i] ? 0.0f : scan_by_earlier<OP>(h, value[i], next);
      value[i] = fresh[i] ? 1.0f : scan_by_later<OP>(h, value[i], next);
      h = next;
    }
    float product = 1.0f;
    float adjoint = 0.0f;
    for (int i = STEPS - 1; i >= 0; --i) {
      product = affine_apply<true>(keep[i], 0.0f, product);
      adjoint = affine_apply<true>(keep[i], 0.0f, grad[i] + adjoint);
    }
    slice_keep[slot] = product;
    slice_adjoint[slot] = adjoint;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    float from_right =
        affine_fold_reverse<true>(slice_keep + lane, slice_adjoint + lane, LANES, SLICES, slice + 1, carry);
    carry =
        affine_fold_reverse<true>(slice_keep + lane, slice_adjoint + lane, LANES, slice + 1, 0, from_right);

    for (int i = STEPS - 1; i >= 0; --i) {
      const float g = grad[i] + from_right;
      if (in_range && i < steps) {
        const long row = origin + direction * (first + i);
        grad_x[row * D + channel] = static_cast<T>(affine_apply<true>(value[i], 0.0f, g));
      }
      from_right = affine_apply<true>(keep[i], 0.0f, g);
    }
  }
  if (HAS_INITIAL_STATE && in_range && slice == 0) {
    grad_initial_state[state] = carry;
  }

}

template [[host_name("custom_kernel_associative_scan_backward_4f24f5b5__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_associative_scan_backward_4f24f5b5__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_backward_4f24f5b5__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>;
