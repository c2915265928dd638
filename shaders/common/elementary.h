// Elementary functions that Metal lacks, to a few units in the last place of float.
#pragma once

#include <metal_stdlib>

// e^x - 1 for x <= 0 without loss of digits near e^x = 1; `exp_x` is e^x.
inline float exp_minus_one(float x, float exp_x) {
  float series = 1.0f / 3628800.0f;
  series = metal::fma(series, x, 1.0f / 362880.0f);
  series = metal::fma(series, x, 1.0f / 40320.0f);
  series = metal::fma(series, x, 1.0f / 5040.0f);
  series = metal::fma(series, x, 1.0f / 720.0f);
  series = metal::fma(series, x, 1.0f / 120.0f);
  series = metal::fma(series, x, 1.0f / 24.0f);
  series = metal::fma(series, x, 1.0f / 6.0f);
  series = metal::fma(series, x, 0.5f);
  series = metal::fma(series * x, x, x);
  return x > -0.6931472f ? series : exp_x - 1.0f;
}

// log(1 + x) for 0 <= x <= 1: 2 atanh(x / (2 + x)), whose series converges by a factor of 9 or more a term.
inline float log_one_plus(float x) {
  const float ratio = x / (2.0f + x);
  const float square = ratio * ratio;
  float series = 1.0f / 15.0f;
  series = metal::fma(series, square, 1.0f / 13.0f);
  series = metal::fma(series, square, 1.0f / 11.0f);
  series = metal::fma(series, square, 1.0f / 9.0f);
  series = metal::fma(series, square, 1.0f / 7.0f);
  series = metal::fma(series, square, 1.0f / 5.0f);
  series = metal::fma(series, square, 1.0f / 3.0f);
  series = metal::fma(series, square, 1.0f);
  return 2.0f * ratio * series;
}

// log(1 + e^x), which does not overflow, and rounds to 0 only where e^x does.
inline float softplus(float x) {
  return metal::max(x, 0.0f) + log_one_plus(metal::precise::exp(-metal::abs(x)));
}

inline float sigmoid(float x) {
  return 1.0f / (1.0f + metal::precise::exp(-x));
}
