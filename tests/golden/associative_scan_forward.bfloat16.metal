#line 1 "shaders/associative_scan/forward.metal"






#include <metal_stdlib>

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

#line 10 "shaders/associative_scan/forward.metal"

using namespace metal;

template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_forward_aeb7dcc3__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device float* initial_state [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  device bfloat16_t* y [[buffer(4)]],
  device float* final_state [[buffer(5)]],
  device float* tile_state [[buffer(6)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {

#line 31 "shaders/associative_scan/forward.metal"

  static_assert(LANES * SLICES <= 512, "a threadgroup of LANES x SLICES must not pass 512 threads");
  constexpr int TILE = SLICES * STEPS;
  threadgroup float slice_total[SLICES * LANES];
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

  float carry = HAS_INITIAL_STATE && in_range ? initial_state[state] : scan_identity<OP>();
  for (long tile = 0; tile < tiles; ++tile) {
    if (in_range && slice == 0) {
      tile_state[(batch * tiles + tile) * D + channel] = carry;
    }


    float value[STEPS];
    bool fresh[STEPS];
    const long first = tile * TILE + slice * STEPS;
    const int steps = min(STEPS, static_cast<int>(L - first));
    for (int i = 0; i < STEPS; ++i) {
      const bool live = in_range && i < steps;
      const long row = origin + direction * (first + i);
      value[i] = live ? static_cast<float>(x[row * D + channel]) : scan_identity<OP>();
      fresh[i] = HAS_RESET && live && reset[row];
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

    float h = scan_fold<OP, HAS_RESET>(slice_total + lane, slice_forgets + lane, LANES, 0, slice, carry);
    carry = scan_fold<OP, HAS_RESET>(slice_total + lane, slice_forgets + lane, LANES, slice, SLICES, h);
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (int i = 0; i < STEPS; ++i) {
      h = fresh[i] ? value[i] : scan_combine<OP>(h, value[i]);
      if (in_range && i < steps) {
        y[(origin + direction * (first + i)) * D + channel] = static_cast<T>(h);
      }
    }
  }
  if (in_range && slice == 0) {
    final_state[state] = carry;
  }

}

template [[host_name("custom_kernel_associative_scan_forward_aeb7dcc3__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_associative_scan_forward_aeb7dcc3__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_forward_aeb7dcc3__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>;
