// bool2, bool3, bool4: structs, since OpenCL has no vectors of bool and comparisons yield 0 and -1.
#pragma once

#include "vector.h"

namespace metal {
template <int N>
struct bool_fields;
template <>
struct bool_fields<2> {
  bool x, y;
};
template <>
struct bool_fields<3> {
  bool x, y, z;
};
template <>
struct bool_fields<4> {
  bool x, y, z, w;
};

template <int N>
struct bool_vector : bool_fields<N> {
  bool_vector() = default;
  bool_vector(bool all) {
    for (int i = 0; i < N; ++i)
      (*this)[i] = all;
  }
  template <typename T>
  bool_vector(vec<T, N> v) {
    for (int i = 0; i < N; ++i)
      (*this)[i] = v[i] != (T)0;
  }
  template <typename A, typename B, typename... Rest>
  bool_vector(A a, B b, Rest... rest) {
    int i = 0;
    append(i, a);
    append(i, b);
    (append(i, rest), ...);
  }

  bool& operator[](int i) { return (&this->x)[i]; }
  bool operator[](int i) const { return (&this->x)[i]; }
  vec<int, N> vector() const {
    vec<int, N> v;
    for (int i = 0; i < N; ++i)
      v[i] = (*this)[i];
    return v;
  }

#define MSL_BOOL_OPERATOR(op)                                    \
  friend bool_vector operator op(bool_vector a, bool_vector b) { \
    bool_vector r;                                               \
    for (int i = 0; i < N; ++i)                                  \
      r[i] = a[i] op b[i];                                       \
    return r;                                                    \
  }
  MSL_BOOL_OPERATOR(&&)
  MSL_BOOL_OPERATOR(||)
  MSL_BOOL_OPERATOR(&)
  MSL_BOOL_OPERATOR(|)
  MSL_BOOL_OPERATOR(^)
  MSL_BOOL_OPERATOR(==)
  MSL_BOOL_OPERATOR(!=)
#undef MSL_BOOL_OPERATOR
#define MSL_BOOL_ASSIGNMENT(op) \
  friend bool_vector& operator op##=(bool_vector& a, bool_vector b) { return a = a op b; }
  MSL_BOOL_ASSIGNMENT(&)
  MSL_BOOL_ASSIGNMENT(|)
  MSL_BOOL_ASSIGNMENT(^)
#undef MSL_BOOL_ASSIGNMENT
  friend bool_vector operator!(bool_vector a) { return a == bool_vector(false); }

 private:
  void append(int& i, bool b) { (*this)[i++] = b; }
  template <int M>
  void append(int& i, bool_vector<M> b) {
    for (int j = 0; j < M; ++j)
      (*this)[i++] = b[j];
  }
};

using bool2 = bool_vector<2>;
using bool3 = bool_vector<3>;
using bool4 = bool_vector<4>;
}  // namespace metal

namespace msl {
// What Metal makes of a comparison: a bool, or a vector of them.
template <typename T>
METAL_FUNC auto compared(T x) {
  if constexpr (shape<T>::size > 1) {
    return metal::bool_vector<shape<T>::size>(x);
  } else {
    return x;
  }
}
}  // namespace msl
