// Vector constructors: `float4(xyz, w)`, `half2(0)`, `int3(float3(...))`.
#pragma once

#include "convert.h"

namespace metal {
template <typename V, typename... A>
METAL_FUNC constexpr V make_vector(A... parts) {
  using E = msl::element<V>;
  if constexpr (__is_class(V)) {
    return V(parts...);
  } else if constexpr (sizeof...(A) == 0) {
    return V(E(0));
  } else if constexpr (sizeof...(A) == 1) {
    return V(msl::to<E>(parts...));
  } else {
    return V{msl::to<E>(parts)...};
  }
}
}  // namespace metal

namespace msl {
/// The vector that a list in braces stands for: what it leaves out is 0.
template <typename V, typename... A>
METAL_FUNC constexpr V filled(A... parts) {
  const element<V> given[] = {to<element<V>>(parts)..., element<V>(0)};
  V v = V(element<V>(0));
  for (int i = 0; i < (int)sizeof...(A); ++i) v[i] = given[i];
  return v;
}
}  // namespace msl
