// Making and converting vectors: what clang's own vectors cannot be made to do by their types alone.
#pragma once

#include "swizzles.h"
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

struct bool2;
struct bool3;
struct bool4;
#define MSL_TWO(name) __declspec(property(get = get2, put = put2)) bool2 name;
#define MSL_THREE(name) __declspec(property(get = get3, put = put3)) bool3 name;
#define MSL_FOUR(name) __declspec(property(get = get4, put = put4)) bool4 name;
// Of two bool vectors, or what clang makes of a comparison and one.
#define MSL_CONDITION(N, op)                                                \
  bool##N operator op(bool##N) const;                                       \
  template <typename T>                                                     \
  friend bool##N operator op(vec<T, N>, bool##N) { return bool##N(); }
#define MSL_BOOL_VECTOR(N, L)                               \
  struct bool##N {                                          \
    bool x, y, z, w;                                        \
    bool2 get2() const;                                     \
    bool3 get3() const;                                     \
    bool4 get4() const;                                     \
    void put2(bool2);                                       \
    void put3(bool3);                                       \
    void put4(bool4);                                       \
    MSL_NAMES_##N L                                         \
    bool##N() = default;                                    \
    template <typename T>                                   \
    explicit operator vec<T, N>() const;                    \
    template <typename... A>                                \
    constexpr bool##N(A...) : x(0), y(0), z(0), w(0) {}     \
    bool operator[](int) const;                             \
    bool& operator[](int);                                  \
    bool##N operator!() const;                              \
    MSL_CONDITION(N, &&)                                    \
    MSL_CONDITION(N, ||)                                    \
    MSL_CONDITION(N, &)                                     \
    MSL_CONDITION(N, |)                                     \
    MSL_CONDITION(N, ^)                                     \
    MSL_CONDITION(N, ==)                                    \
    MSL_CONDITION(N, !=)                                    \
    bool##N& operator&=(bool##N);                           \
    bool##N& operator|=(bool##N);                           \
    bool##N& operator^=(bool##N);                           \
  };
MSL_BOOL_VECTOR(2, (x, y))
MSL_BOOL_VECTOR(3, (x, y, z))
MSL_BOOL_VECTOR(4, (x, y, z, w))
#undef MSL_BOOL_VECTOR
#undef MSL_CONDITION
#undef MSL_TWO
#undef MSL_THREE
#undef MSL_FOUR
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
