// packed_float3 and the like: vectors with the alignment of their elements.
#pragma once

#include "vector.h"

namespace metal {
// OpenCL pads its vectors of 3 to 4 elements, so these are structs; they become vectors in expressions.
template <typename T>
struct packed_3 {
  T x, y, z;

  packed_3() = default;
  packed_3(const packed_3&) = default;
  packed_3(const constant packed_3& p) : x(p.x), y(p.y), z(p.z) {}
  packed_3(vec<T, 3> v) : x(v.x), y(v.y), z(v.z) {}
  template <typename A, typename... Rest>
  packed_3(A a, Rest... rest) : packed_3(make_vector<vec<T, 3>>(a, rest...)) {}
  packed_3& operator=(const packed_3&) = default;
  packed_3& operator=(const constant packed_3& p) { return *this = packed_3(p); }
  packed_3& operator=(vec<T, 3> v) { return *this = packed_3(v); }

  vec<T, 3> vector() const { return vec<T, 3>{x, y, z}; }
  operator vec<T, 3>() const { return vec<T, 3>{x, y, z}; }
  operator vec<T, 3>() const constant { return vec<T, 3>{x, y, z}; }
  T& operator[](int i) { return (&x)[i]; }
  T operator[](int i) const { return (&x)[i]; }
  T operator[](int i) const constant { return (&x)[i]; }

#define MSL_PACKED_OPERATOR(op)                                   \
  friend vec<T, 3> operator op(packed_3 a, packed_3 b) {          \
    return a.vector() op b.vector();                              \
  }                                                               \
  friend vec<T, 3> operator op(packed_3 a, vec<T, 3> b) {         \
    return a.vector() op b;                                       \
  }                                                               \
  friend vec<T, 3> operator op(vec<T, 3> a, packed_3 b) {         \
    return a op b.vector();                                       \
  }                                                               \
  packed_3& operator op## = (vec<T, 3> b) {                       \
    return *this = vector() op b;                                 \
  }                                                               \
  friend vec<T, 3>& operator op## = (vec<T, 3> & a, packed_3 b) { \
    return a = a op b.vector();                                   \
  }
  MSL_PACKED_OPERATOR(+)
  MSL_PACKED_OPERATOR(-)
  MSL_PACKED_OPERATOR(*)
  MSL_PACKED_OPERATOR(/)
  friend vec<T, 3> operator-(packed_3 a) { return -a.vector(); }
#undef MSL_PACKED_OPERATOR
};

#define MSL_PACKED(_, T)                                               \
  typedef vec<T, 2> packed_##T##2 __attribute__((aligned(sizeof(T)))); \
  typedef packed_3<T> packed_##T##3;                                   \
  typedef vec<T, 4> packed_##T##4 __attribute__((aligned(sizeof(T))));
MSL_VECTOR_ELEMENTS(MSL_PACKED, )
#undef MSL_PACKED
}  // namespace metal
