// Conversions between element types, `as_type`, and a `static_cast` that knows vectors.
#pragma once

#include "types.h"

namespace msl {
template <typename T>
constexpr constant bool small_float = same<T, half> || same<T, bfloat>;

// The bfloat nearest to x, of two the even one. By integers, because for a processor without such an instruction
// the compiler makes each of its own conversions a call, and vectorizes neither the call nor the loop around it.
METAL_FUNC constexpr bfloat to_bfloat(float x) {
  const uint bits = __builtin_bit_cast(uint, x);
  const uint rounded = bits + 0x7fffu + (bits >> 16 & 1u);
  return __builtin_bit_cast(bfloat, (ushort)((x == x ? rounded : bits | 0x400000u) >> 16));
}

// A bfloat is the upper half of a float.
METAL_FUNC constexpr float of_bfloat(bfloat x) {
  return __builtin_bit_cast(float, (uint)__builtin_bit_cast(ushort, x) << 16);
}

// x with elements of type E. Structs (packed, bool) name their vector by `vector()`.
template <typename E, typename T>
METAL_FUNC constexpr E to_scalar(T x) {
  if constexpr (same<E, bfloat> && (same<T, float> || same<T, half>)) {
    return to_bfloat(x);
  } else if constexpr (same<T, bfloat> && same<E, float>) {
    return of_bfloat(x);
  } else if constexpr (small_float<E> && small_float<T> && !same<E, T>) {
    return (E)(float)x;  // clang refuses bfloat to half
  } else {
    return (E)x;
  }
}

template <typename E, typename T, int N>
METAL_FUNC constexpr metal::vec<E, N> to_vector(metal::vec<T, N> x) {
  if constexpr (same<E, T>) {
    return x;
  } else if constexpr (!same<E, bfloat> && !same<T, bfloat>) {
    return __builtin_convertvector(x, metal::vec<E, N>);
  } else if constexpr (N == 2) {
    return metal::vec<E, N>{to_scalar<E>(x[0]), to_scalar<E>(x[1])};
  } else if constexpr (N == 3) {
    return metal::vec<E, N>{to_scalar<E>(x[0]), to_scalar<E>(x[1]), to_scalar<E>(x[2])};
  } else {
    return metal::vec<E, N>{to_scalar<E>(x[0]), to_scalar<E>(x[1]), to_scalar<E>(x[2]), to_scalar<E>(x[3])};
  }
}

template <typename E, typename T>
METAL_FUNC constexpr auto to(T x) {
  if constexpr (shape<T>::size > 1) {
    return to_vector<E>(x);
  } else if constexpr (__is_class(T) && !__is_convertible(T, E)) {
    return to_vector<E>(x.vector());
  } else {
    return to_scalar<E>(x);
  }
}

template <typename T>
METAL_FUNC constexpr auto widen(T x) {
  return to<float>(x);
}

// What static_cast is defined as: also between vectors, and between half and bfloat. Elements of vectors bind to
// no reference, so only a cast to a reference takes one.
template <typename T, typename A, typename = metal::enable_if_t<!metal::is_reference_v<T>>>
METAL_FUNC constexpr T cast(A x) {
  if constexpr (shape<T>::size > 1 && shape<A>::size > 1) {
    return to_vector<element<T>>(x);
  } else if constexpr (shape<T>::size > 1 && __is_class(A)) {
    return to<element<T>>(x);
  } else if constexpr ((small_float<T> || same<T, float>) && (small_float<A> || same<A, float>)) {
    return to_scalar<T>(x);
  } else {
    return (T)x;
  }
}
template <typename T, typename A, typename = metal::enable_if_t<metal::is_reference_v<T>>, int = 0>
METAL_FUNC constexpr T cast(A&& x) {
  return (T)x;
}

// `T(x)` -> `T(msl::into<T>() = x)`: from a vector to another of its size a functional cast keeps the bits. All but
// vectors passes as it is.
template <typename T>
struct into {
  template <typename U, typename = metal::enable_if_t<!__is_class(U)>>
  METAL_FUNC constexpr auto operator=(U x) const {
    if constexpr (shape<T>::size > 1 && shape<T>::size == shape<U>::size) {
      return to_vector<element<T>>(x);
    } else {
      return x;
    }
  }
  template <typename U, typename = metal::enable_if_t<__is_class(metal::remove_reference_t<U>)>, int = 0>
  METAL_FUNC constexpr U&& operator=(U&& x) const {
    return (U&&)x;
  }
};
}  // namespace msl

namespace metal {
template <typename T, typename U>
METAL_FUNC constexpr T as_type(U x) {
  static_assert(sizeof(T) == sizeof(U), "as_type keeps the bits: both types must have the same size.");
  return __builtin_bit_cast(T, x);
}
}  // namespace metal
