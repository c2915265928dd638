// Making and converting vectors: what clang's own vectors cannot be made to do by their types alone.
#pragma once

#include "traits.h"

namespace metal {
template <int N, typename... A>
constexpr constant bool components_fit = sizeof...(A) == 0 || (0 + ... + vector_traits<A>::size) == N ||
                                         (sizeof...(A) == 1 && (0 + ... + vector_traits<A>::size) == 1) ||
                                         (sizeof...(A) == 1 && (0 + ... + vector_traits<A>::size) == 7 - N);

/// A vector of N elements from one scalar, a vector of N, or pieces that add up to N; of 3 from 4 and of 4 from 3,
/// which have one size in memory.
template <typename V, typename... A>
constexpr enable_if_t<components_fit<vector_traits<V>::size, A...>, V> make_vector(A... components) {
  return V(0);
}

#define MSL_BOOL_VECTOR(N)                                  \
  struct bool##N {                                          \
    bool x, y, z, w;                                        \
    bool##N() = default;                                    \
    template <typename T>                                   \
    explicit operator vec<T, N>() const;                    \
    template <typename... A>                                \
    constexpr bool##N(A...) : x(0), y(0), z(0), w(0) {}     \
    bool operator[](int) const;                             \
    bool& operator[](int);                                  \
    bool##N operator!() const;                              \
    bool##N operator&&(bool##N) const;                      \
    bool##N operator||(bool##N) const;                      \
    bool##N operator&(bool##N) const;                       \
    bool##N operator|(bool##N) const;                       \
    bool##N operator^(bool##N) const;                       \
    bool##N operator==(bool##N) const;                      \
    bool##N operator!=(bool##N) const;                      \
  };
MSL_BOOL_VECTOR(2)
MSL_BOOL_VECTOR(3)
MSL_BOOL_VECTOR(4)
#undef MSL_BOOL_VECTOR
template <typename V>
using vector_bool_t = conditional_t<vector_traits<V>::size == 1, bool,
                                    conditional_t<vector_traits<V>::size == 2, bool2,
                                                  conditional_t<vector_traits<V>::size == 3, bool3, bool4>>>;

/// The bits of x as a To of the same size.
template <typename To, typename From>
constexpr enable_if_t<sizeof(To) == sizeof(From), To> as_type(From x) {
  return __builtin_bit_cast(To, x);
}

}  // namespace metal

// As the library asks of all dialects.
namespace msl {
template <typename To, typename From>
constexpr To cast(From x) {
  if constexpr (size<To> > 1 && size<To> == size<From>) {
    return __builtin_convertvector(x, To);
  } else if constexpr (same<From, half> || same<From, bfloat>) {
    return (To)(float)x;
  } else {
    return (To)x;
  }
}
// x with elements of type E.
template <typename E, typename V>
constexpr auto to(V x) {
  return cast<metal::vec_t<E, size<V>>>(x);
}
}  // namespace msl
using metal::as_type;
using metal::bool2;
using metal::bool3;
using metal::bool4;
using metal::make_vector;
