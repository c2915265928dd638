// packed_float3 and its kind: vectors without the alignment, whose swizzles are properties of their own.
#pragma once

#include "vector.h"

namespace metal {
#define MSL_TWO(name) __declspec(property(get = get2, put = put2)) vec<T, 2> name;
#define MSL_THREE(name) __declspec(property(get = get3, put = put3)) vec<T, 3> name;
#define MSL_FOUR(name) __declspec(property(get = get4, put = put4)) vec<T, 4> name;

// Of two packed vectors, and of a packed vector and a vector.
#define MSL_PACKED_OPERATOR(op, N)                                    \
  friend vec<T, N> operator op(packed_vec, packed_vec) { return 0; }  \
  template <typename V>                                               \
  friend enable_if_t<is_same_v<V, vec<T, N>>, V> operator op(V, packed_vec) { return 0; } \
  template <typename V>                                               \
  friend enable_if_t<is_same_v<V, vec<T, N>>, V> operator op(packed_vec, V) { return 0; }
#define MSL_PACKED_TEST(op, N) \
  friend auto operator op(packed_vec, packed_vec) { return vector_bool_t<vec<T, N>>(); }

// What is common to packed vectors of any size: conversions, swizzles, arithmetic in place.
#define MSL_PACKED_BODY(N, L, C)                                                        \
  packed_vec() = default;                                                               \
  constexpr packed_vec(vec<T, N>);                                                      \
  constexpr packed_vec(T);                                                              \
  template <typename A, typename B, typename... O>                                      \
  constexpr packed_vec(A, B, O...);                                                     \
  template <typename U>                                                                 \
  explicit constexpr packed_vec(packed_vec<U, N>);                                      \
  template <typename U, typename = enable_if_t<is_same_v<remove_cv_t<U>, packed_vec>>>  \
  packed_vec(const constant U&);                                                        \
  operator vec<T, N>() const;                                                           \
  operator vec<T, N>() const constant;                                                  \
  T operator[](uint) const;                                                             \
  thread T& operator[](uint) thread;                                                    \
  device T& operator[](uint) device;                                                    \
  threadgroup T& operator[](uint) threadgroup;                                          \
  const device T& operator[](uint) const device;                                        \
  const constant T& operator[](uint) const constant;                                    \
  vec<T, 2> get2() const;                                                               \
  vec<T, 3> get3() const;                                                               \
  vec<T, 4> get4() const;                                                               \
  vec<T, 2> get2() const constant;                                                      \
  vec<T, 3> get3() const constant;                                                      \
  vec<T, 4> get4() const constant;                                                      \
  void put2(vec<T, 2>);                                                                 \
  void put3(vec<T, 3>);                                                                 \
  void put4(vec<T, 4>);                                                                 \
  MSL_NAMES_##N L                                                                       \
  MSL_NAMES_##N C                                                                       \
  packed_vec operator+=(packed_vec);                                                    \
  packed_vec operator-=(packed_vec);                                                    \
  packed_vec operator*=(packed_vec);                                                    \
  packed_vec operator/=(packed_vec);                                                    \
  MSL_PACKED_OPERATOR(+, N) MSL_PACKED_OPERATOR(-, N) MSL_PACKED_OPERATOR(*, N)         \
  MSL_PACKED_OPERATOR(/, N) MSL_PACKED_OPERATOR(%, N) MSL_PACKED_OPERATOR(&, N)         \
  MSL_PACKED_OPERATOR(|, N) MSL_PACKED_OPERATOR(^, N) MSL_PACKED_OPERATOR(<<, N)        \
  MSL_PACKED_OPERATOR(>>, N)                                                            \
  MSL_PACKED_TEST(==, N) MSL_PACKED_TEST(!=, N) MSL_PACKED_TEST(<, N)                   \
  MSL_PACKED_TEST(>, N) MSL_PACKED_TEST(<=, N) MSL_PACKED_TEST(>=, N)                   \
  friend vec<T, N> operator-(packed_vec) { return 0; }                                  \
  friend vec<T, N> operator~(packed_vec) { return 0; }

/// A vector of N elements of T that is aligned as T is.
template <typename T, int N>
struct packed_vec;
template <typename T>
struct packed_vec<T, 2> {
  union { T x; T r; };
  union { T y; T g; };
  MSL_PACKED_BODY(2, (x, y), (r, g))
};
template <typename T>
struct packed_vec<T, 3> {
  union { T x; T r; };
  union { T y; T g; };
  union { T z; T b; };
  MSL_PACKED_BODY(3, (x, y, z), (r, g, b))
};
template <typename T>
struct packed_vec<T, 4> {
  union { T x; T r; };
  union { T y; T g; };
  union { T z; T b; };
  union { T w; T a; };
  MSL_PACKED_BODY(4, (x, y, z, w), (r, g, b, a))
};
#undef MSL_PACKED_BODY
#undef MSL_PACKED_OPERATOR
#undef MSL_PACKED_TEST

#define MSL_PACKED(_, T)                 \
  typedef packed_vec<T, 2> packed_##T##2; \
  typedef packed_vec<T, 3> packed_##T##3; \
  typedef packed_vec<T, 4> packed_##T##4;
MSL_VECTOR_ELEMENTS(MSL_PACKED, )
#undef MSL_PACKED
}  // namespace metal
#define MSL_GLOBAL(_, T) using metal::packed_##T##2, metal::packed_##T##3, metal::packed_##T##4;
MSL_VECTOR_ELEMENTS(MSL_GLOBAL, )
#undef MSL_GLOBAL

namespace msl {
template <typename T, int N>
struct shape<metal::packed_vec<T, N>> {
  using element = T;
  static constexpr constant int size = N;
};
}  // namespace msl
