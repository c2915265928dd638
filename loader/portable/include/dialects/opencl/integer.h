// The integer library.
#pragma once

#include "limits.h"
#include "type_traits.h"
#include "vector.h"

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

// Metal's name, OpenCL's name.
#define MSL_INTEGER_1(f, g)     \
  template <typename T>         \
  METAL_FUNC integer_only<T> f(T x) { return ::g(x); }
#define MSL_INTEGER_2(f, g)     \
  template <typename T>         \
  METAL_FUNC integer_only<T> f(T x, T y) { return ::g(x, y); }
#define MSL_INTEGER_3(f, g)     \
  template <typename T>         \
  METAL_FUNC integer_only<T> f(T x, T y, T z) { return ::g(x, y, z); }

MSL_INTEGER_1(clz, clz)
MSL_INTEGER_1(ctz, ctz)
MSL_INTEGER_1(popcount, popcount)
MSL_INTEGER_2(min, min)
MSL_INTEGER_2(max, max)
MSL_INTEGER_2(addsat, add_sat)
MSL_INTEGER_2(subsat, sub_sat)
MSL_INTEGER_2(hadd, hadd)
MSL_INTEGER_2(rhadd, rhadd)
MSL_INTEGER_2(mulhi, mul_hi)
MSL_INTEGER_2(mul24, mul24)
MSL_INTEGER_2(rotate, rotate)
MSL_INTEGER_3(clamp, clamp)
MSL_INTEGER_3(mad24, mad24)
MSL_INTEGER_3(madhi, mad_hi)
#undef MSL_INTEGER_1
#undef MSL_INTEGER_2
#undef MSL_INTEGER_3

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
