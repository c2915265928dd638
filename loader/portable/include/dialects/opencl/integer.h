// The integer functions, as OpenCL calls them.
#pragma once

#include "elementwise.h"
#include "../clang/type_traits.h"

namespace metal {
template <typename T>
using integer_only = enable_if_t<__is_integral(msl::element<T>), T>;

// OpenCL's abs and abs_diff return unsigned types: Metal's abs does not.
#define MSL_SIGNED_ABS(_, T) \
  MSL_FN T abs(T x) { return __builtin_bit_cast(T, ::abs(x)); }
MSL_SIGNED(MSL_SIGNED_ABS, )
#define MSL_UNSIGNED_ABS(_, T) \
  MSL_FN T abs(T x) { return x; }
MSL_UNSIGNED(MSL_UNSIGNED_ABS, )
#undef MSL_SIGNED_ABS
#undef MSL_UNSIGNED_ABS

#define MSL_INTEGER_1(name, native, ...) \
  template <typename T>                  \
  METAL_FUNC integer_only<T> name(T x) { return ::native(x); }
#define MSL_INTEGER_2(name, native, ...) \
  template <typename T>                  \
  METAL_FUNC integer_only<T> name(T x, T y) { return ::native(x, y); }
#define MSL_INTEGER_3(name, native, ...) \
  template <typename T>                  \
  METAL_FUNC integer_only<T> name(T x, T y, T z) { return ::native(x, y, z); }
#define MSL_INTEGER_OWN_1(...)
#define MSL_INTEGER_OWN_2(...)
#define MSL_INTEGER_OWN_3(...)
#include "../../library/integer.h"

// The runtime's mad_sat is wrong, so: exactly in 64 bits, or in 128 bits held as (high, low).
template <typename T>
METAL_FUNC integer_only<T> madsat(T x, T y, T z) {
  using E = msl::element<T>;
  constexpr bool negative = is_signed_v<E>;
  constexpr E bottom = numeric_limits<E>::min(), top = numeric_limits<E>::max();
  if constexpr (msl::shape<T>::size > 1) {
    for (int i = 0; i < msl::shape<T>::size; ++i) x[i] = madsat((E)x[i], (E)y[i], (E)z[i]);
    return x;
  } else if constexpr (sizeof(T) < 8) {
    using Wide = conditional_t<negative, long, ulong>;
    return (T)::clamp((Wide)x * (Wide)y + (Wide)z, (Wide)bottom, (Wide)top);
  } else {
    ulong low = (ulong)x * (ulong)y, sum = low + (ulong)z;
    T high = ::mul_hi(x, y) + (T)(sum < low) - (T)(negative && z < 0);
    T fits = negative ? (T)((long)sum >> 63) : (T)0;
    return high == fits ? (T)sum : negative && high < 0 ? bottom : top;
  }
}

template <typename T, typename = integer_only<T>>
METAL_FUNC auto absdiff(T x, T y) {
  return ::abs_diff(x, y);
}

template <typename T>
METAL_FUNC integer_only<T> reverse_bits(T x) {
  if constexpr (msl::shape<T>::size > 1) {
    for (int i = 0; i < msl::shape<T>::size; ++i) x[i] = reverse_bits((msl::element<T>)x[i]);
    return x;
  } else if constexpr (sizeof(T) == 1) {
    return (T)__builtin_bitreverse8(x);
  } else if constexpr (sizeof(T) == 2) {
    return (T)__builtin_bitreverse16(x);
  } else if constexpr (sizeof(T) == 4) {
    return (T)__builtin_bitreverse32(x);
  } else {
    return (T)__builtin_bitreverse64(x);
  }
}

// The field is moved to the top and back, so that signed types extend its sign.
template <typename T>
METAL_FUNC integer_only<T> extract_bits(T x, uint offset, uint bits) {
  using E = msl::element<T>;
  const uint width = sizeof(E) * 8;
  if (bits == 0) return (T)(E)0;
  T top = (T)(x << (E)(width - bits - offset));
  return (T)(top >> (E)(width - bits));
}

template <typename T>
METAL_FUNC integer_only<T> insert_bits(T base, T insert, uint offset, uint bits) {
  using E = msl::element<T>;
  const uint width = sizeof(E) * 8;
  if (bits == 0) return base;
  const E field = (E)((~0ul >> (64 - bits)) << offset);
  return (T)((base & (E)~field) | ((T)(insert << (E)offset) & field));
}
}  // namespace metal
