// The operators of a scan: how two values combine, and the derivatives of that. They are numbered as in
// loader/operators.py.
#pragma once

#include <metal_stdlib>

enum ScanOperator { SCAN_ADD, SCAN_MUL, SCAN_MAX, SCAN_MIN, SCAN_LOGADDEXP };

// What changes nothing on the left of the operator.
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

// Whether max or min keeps the earlier of two values: the first of equals, and the first NaN.
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
    // Two equal infinities have no difference.
    const float gap = earlier == later ? 0.0f : metal::fabs(earlier - later);
    return metal::max(earlier, later) + metal::log(1.0f + metal::exp(-gap));
  }
  return earlier + later;
}

// The share of one value in the sum of exponentials; 1 of an infinite sum that it equals.
inline float scan_share(float value, float sum) {
  return value == sum ? 1.0f : metal::exp(value - sum);
}

// d combine(earlier, later) / d earlier, where `result` is what they combine to.
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

// d combine(earlier, later) / d later.
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

// `before` combined with the slices from `first` to before `end`. A slice that `forgets` holds a reset: its
// total stands alone, whatever came before.
template <int OP, bool RESETS, typename Totals, typename Forgets>
inline float scan_fold(Totals totals, Forgets forgets, int stride, int first, int end, float before) {
  for (int s = first; s < end; ++s) {
    const float total = totals[s * stride];
    before = RESETS && forgets[s * stride] ? total : scan_combine<OP>(before, total);
  }
  return before;
}
