// MLX's names, globally, as there.
#pragma once

#include "simd.h"
#include "../../library/mlx.h"

// Instantiated here, or a kernel may not take pointers to them.
template struct complex_t<half>;
template struct complex_t<float>;

namespace msl {
// Lets simd_shuffle and simd_sum carry them. As vectors: bits of structs with constructors may not be cast.
template <typename T>
struct carrier<complex_t<T>> {
  using pair = bit_carrier<metal::vec<T, 2>, metal::conditional_t<sizeof(T) == 4, ulong, uint>>;
  using type = typename pair::type;
  static METAL_FUNC type pack(complex_t<T> z) { return pair::pack(z); }
  static METAL_FUNC complex_t<T> unpack(type x) { return pair::unpack(x); }
};
}  // namespace msl
