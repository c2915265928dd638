// The geometric functions that are no formula of a line.
#pragma once

namespace msl {
template <typename X>
METAL_FUNC X hermite(X t) { return t * t * (3.0f - 2.0f * t); }

template <typename V>
METAL_FUNC V refracted(V i, V n, float ratio) {
  const float cosine = wide_dot(n, i), k = 1.0f - ratio * ratio * (1.0f - cosine * cosine);
  return k < 0.0f ? (V)0.0f : ratio * i - (ratio * cosine + ::sqrt(k)) * n;
}
}  // namespace msl
