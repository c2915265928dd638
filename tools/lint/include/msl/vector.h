// Making and converting vectors: what clang's own vectors cannot be made to do by their types alone.
#pragma once

#include "traits.h"

namespace metal {
template <typename To, typename From>
constexpr To convert(From x) {
  if constexpr (vector_traits<To>::size > 1 && vector_traits<To>::size == vector_traits<From>::size) {
    return __builtin_convertvector(x, To);
  } else if constexpr (is_same_v<From, half> || is_same_v<From, bfloat>) {
    return (To)(float)x;
  } else {
    return (To)x;
  }
}

template <int N, typename... A>
constexpr constant bool components_fit = sizeof...(A) == 0 || (0 + ... + vector_traits<A>::size) == N ||
                                         (sizeof...(A) == 1 && (0 + ... + vector_traits<A>::size) == 1);

/// A vector of N elements from one scalar, a vector of N, or pieces that add up to N.
template <typename T, int N, typename... A>
constexpr enable_if_t<components_fit<N, A...>, vec<T, N>> make_vector(A... components) {
  return vec<T, N>(0);
}

#define MSL_BOOL_VECTOR(N)                                  \
  struct bool##N {                                          \
    bool x, y, z, w;                                        \
    bool##N() = default;                                    \
    template <typename... A>                                \
    constexpr bool##N(A...) : x(0), y(0), z(0), w(0) {}     \
    bool operator[](int) const;                             \
    bool##N operator!() const;                              \
    bool##N operator&&(bool##N) const;                      \
    bool##N operator||(bool##N) const;                      \
    bool##N operator&(bool##N) const;                       \
    bool##N operator|(bool##N) const;                       \
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

#define MSL_PACKED(T)                                                     \
  struct packed_##T##2 {                                                  \
    T x, y;                                                               \
    packed_##T##2() = default;                                            \
    packed_##T##2(T##2);                                                  \
    packed_##T##2(T, T);                                                  \
    operator T##2() const;                                                \
    operator T##2() const constant;                                       \
    T operator[](int) const;                                              \
  };                                                                      \
  struct packed_##T##3 {                                                  \
    T x, y, z;                                                            \
    packed_##T##3() = default;                                            \
    packed_##T##3(T##3);                                                  \
    packed_##T##3(T, T, T);                                               \
    operator T##3() const;                                                \
    operator T##3() const constant;                                       \
    T operator[](int) const;                                              \
  };                                                                      \
  struct packed_##T##4 {                                                  \
    T x, y, z, w;                                                         \
    packed_##T##4() = default;                                            \
    packed_##T##4(T##4);                                                  \
    packed_##T##4(T, T, T, T);                                            \
    operator T##4() const;                                                \
    operator T##4() const constant;                                       \
    T operator[](int) const;                                              \
  };
MSL_PACKED(float)
MSL_PACKED(half)
MSL_PACKED(bfloat)
MSL_PACKED(int)
MSL_PACKED(uint)
MSL_PACKED(short)
MSL_PACKED(ushort)
MSL_PACKED(char)
MSL_PACKED(uchar)
#undef MSL_PACKED
}  // namespace metal
using metal::as_type;
using metal::bool2;
using metal::bool3;
using metal::bool4;
using metal::make_vector;
using metal::packed_bfloat2;
using metal::packed_bfloat3;
using metal::packed_bfloat4;
using metal::packed_char2;
using metal::packed_char4;
using metal::packed_float2;
using metal::packed_float3;
using metal::packed_float4;
using metal::packed_half2;
using metal::packed_half3;
using metal::packed_half4;
using metal::packed_int2;
using metal::packed_int3;
using metal::packed_int4;
using metal::packed_uchar2;
using metal::packed_uchar4;
using metal::packed_uint2;
using metal::packed_uint3;
using metal::packed_uint4;
