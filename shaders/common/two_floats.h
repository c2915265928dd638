// Numbers as the sum of two floats, x + y, where y is the rounding error of x: about 48 bits, for states and
// products over many thousand steps. Dekker 1971, Numerische Mathematik 18, 224-242.
#pragma once

#include <metal_stdlib>

// The rounding error of `sum`, which is a + b rounded.
inline float two_sum_rest(float a, float b, float sum) {
  const float added = sum - a;
  return (a - (sum - added)) + (b - added);
}

inline metal::float2 two_sum(float a, float b) {
  const float sum = a + b;
  return metal::float2(sum, two_sum_rest(a, b, sum));
}

inline metal::float2 two_product(float a, float b) {
  const float product = a * b;
  return metal::float2(product, metal::fma(a, b, -product));
}

// The same number with x its nearest float. y is 0 if x is infinite or NaN.
inline metal::float2 two_floats(float x, float y) {
  const float sum = x + y;
  const bool finite = metal::isfinite(sum);
  return metal::float2(finite ? sum : x, finite ? (x - sum) + y : 0.0f);
}
