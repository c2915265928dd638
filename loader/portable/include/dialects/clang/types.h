// Scalar and vector types of clang, and what templates ask of them. A dialect says before what int8_t is.
#pragma once

typedef uchar uint8_t;
typedef short int16_t;
typedef ushort uint16_t;
typedef int int32_t;
typedef uint uint32_t;
typedef long int64_t;
typedef ulong uint64_t;
/// Brain floating point: float's range with 8 bits of precision. Nothing but bfloat and integers converts to it
/// unasked; write static_cast<bfloat>(x).
typedef __bf16 bfloat;

namespace metal {
/// A vector of N elements of T, as float4 is of four floats.
template <typename T, int N>
using vec = T __attribute__((ext_vector_type(N)));
}

#define MSL_VECTOR_ELEMENTS(M, _) \
  M(_, float) M(_, half) M(_, bfloat) M(_, char) M(_, uchar) M(_, short) M(_, ushort) \
  M(_, int) M(_, uint) M(_, long) M(_, ulong)
#define MSL_VECTORS(_, T)        \
  typedef metal::vec<T, 2> T##2; \
  typedef metal::vec<T, 3> T##3; \
  typedef metal::vec<T, 4> T##4;
MSL_VECTOR_ELEMENTS(MSL_VECTORS, )
#undef MSL_VECTORS

// In namespace metal too, where `metal::float4` looks for them.
namespace metal {
#define MSL_SCALAR_ALIAS(_, T) using ::T;
#define MSL_ALIASES(_, T) using ::T##2; using ::T##3; using ::T##4;
MSL_VECTOR_ELEMENTS(MSL_ALIASES, )
MSL_SCALAR_ALIAS(, int8_t) MSL_SCALAR_ALIAS(, uint8_t) MSL_SCALAR_ALIAS(, int16_t)
MSL_SCALAR_ALIAS(, uint16_t) MSL_SCALAR_ALIAS(, int32_t) MSL_SCALAR_ALIAS(, uint32_t)
MSL_SCALAR_ALIAS(, int64_t) MSL_SCALAR_ALIAS(, uint64_t) MSL_SCALAR_ALIAS(, size_t)
MSL_SCALAR_ALIAS(, ptrdiff_t) MSL_SCALAR_ALIAS(, uchar) MSL_SCALAR_ALIAS(, ushort)
MSL_SCALAR_ALIAS(, uint) MSL_SCALAR_ALIAS(, ulong) MSL_SCALAR_ALIAS(, bfloat)
using nullptr_t = decltype(nullptr);
#undef MSL_SCALAR_ALIAS
#undef MSL_ALIASES
}  // namespace metal

namespace simd {
using namespace metal;
}

namespace msl {
template <typename A, typename B>
constexpr constant bool same = false;
template <typename A>
constexpr constant bool same<A, A> = true;

// Without the address space of a local variable, which `decltype` and references carry in OpenCL.
template <typename T>
struct bare_type {
  using type = T;
};
template <typename T>
struct bare_type<__private T> {
  using type = T;
};
template <typename T>
struct bare_type<__generic T> {
  using type = T;
};
template <typename T>
using bare = typename bare_type<T>::type;

// A scalar is a vector of one element.
template <typename V>
struct shape {
  using element = V;
  static constexpr constant int size = 1;
};
template <typename T, int N>
struct shape<metal::vec<T, N>> {
  using element = T;
  static constexpr constant int size = N;
};
template <typename V>
using element = typename shape<V>::element;
template <typename V>
constexpr constant int size = shape<V>::size;

// The vector of N elements, and for N = 1 the scalar.
template <typename T, int N>
struct sized {
  using type = metal::vec<T, N>;
};
template <typename T>
struct sized<T, 1> {
  using type = T;
};
template <typename V, typename T>
using like = typename sized<T, shape<V>::size>::type;
template <typename T>
constexpr constant bool is_float = same<T, float> || same<T, half> || same<T, bfloat>;
}  // namespace msl
