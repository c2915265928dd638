// floatCxR and halfCxR: C columns of R rows, held by column. metal::array.
#pragma once

#include "common.h"

namespace metal {
template <typename T, int C, int R>
struct matrix {
  using column = vec<T, R>;
  column columns[C];

  matrix() = default;
  explicit matrix(T diagonal) {
    for (int c = 0; c < C; ++c)
      for (int r = 0; r < R; ++r) columns[c][r] = r == c ? diagonal : (T)0.0f;
  }
  template <typename U>
  explicit matrix(const matrix<U, C, R>& m) {
    for (int c = 0; c < C; ++c) columns[c] = column(m.columns[c]);
  }
  // From C columns, or from C * R scalars column by column.
  template <typename A, typename B, typename... Rest>
  matrix(const A& a, const B& b, const Rest&... rest) {
    int n = 0;
    auto append = [&](const auto& part) {
      for (int i = 0; i < msl::size<cuda::std::remove_cvref_t<decltype(part)>>; ++i, ++n)
        columns[n / R][n % R] = static_cast<T>(msl::at(part, i));
    };
    append(a);
    append(b);
    (append(rest), ...);
  }

  column& operator[](int c) { return columns[c]; }
  const column& operator[](int c) const { return columns[c]; }
};

template <typename T, int C, int R>
matrix<T, C, R> operator-(matrix<T, C, R> a) {
  for (int c = 0; c < C; ++c) a.columns[c] = -a.columns[c];
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator+(matrix<T, C, R> a, const matrix<T, C, R>& b) {
  for (int c = 0; c < C; ++c) a.columns[c] += b.columns[c];
  return a;
}
template <typename T, int C, int R>
matrix<T, C, R> operator-(matrix<T, C, R> a, const matrix<T, C, R>& b) {
  for (int c = 0; c < C; ++c) a.columns[c] -= b.columns[c];
  return a;
}
template <typename T, int C, int R>
bool operator==(const matrix<T, C, R>& a, const matrix<T, C, R>& b) {
  bool equal = true;
  for (int c = 0; c < C; ++c) equal &= all(a.columns[c] == b.columns[c]);
  return equal;
}
template <typename T, int C, int R>
bool operator!=(const matrix<T, C, R>& a, const matrix<T, C, R>& b) { return !(a == b); }
template <typename T, int C, int R, typename S, typename = msl::enable_if<msl::is_scalar<S>>>
matrix<T, C, R> operator*(matrix<T, C, R> a, S s) {
  for (int c = 0; c < C; ++c) a.columns[c] *= s;
  return a;
}
template <typename T, int C, int R, typename S, typename = msl::enable_if<msl::is_scalar<S>>>
matrix<T, C, R> operator*(S s, const matrix<T, C, R>& a) { return a * s; }
template <typename T, int C, int R>
vec<T, R> operator*(const matrix<T, C, R>& a, const vec<T, C>& v) {
  vec<T, R> r = a.columns[0] * v[0];
  for (int c = 1; c < C; ++c) r += a.columns[c] * v[c];
  return r;
}
template <typename T, int C, int R>
matrix<T, R, C> transpose(const matrix<T, C, R>& a) {
  matrix<T, R, C> r;
  for (int c = 0; c < C; ++c)
    for (int i = 0; i < R; ++i) r.columns[i][c] = a.columns[c][i];
  return r;
}
template <typename T, int C, int R>
vec<T, C> operator*(const vec<T, R>& v, const matrix<T, C, R>& a) { return transpose(a) * v; }
template <typename T, int C, int K, int R>
matrix<T, C, R> operator*(const matrix<T, K, R>& a, const matrix<T, C, K>& b) {
  matrix<T, C, R> r;
  for (int c = 0; c < C; ++c) r.columns[c] = a * b.columns[c];
  return r;
}
#define MSL_ASSIGN(op)                                                       \
  template <typename T, int C, int R, typename B>                            \
  matrix<T, C, R>& operator op##=(matrix<T, C, R>& a, const B& b) {          \
    return a = a op b;                                                       \
  }
MSL_ASSIGN(+)
MSL_ASSIGN(-)
MSL_ASSIGN(*)
#undef MSL_ASSIGN

template <typename T>
T determinant(const matrix<T, 2, 2>& m) { return m[0].x * m[1].y - m[1].x * m[0].y; }
template <typename T>
T determinant(const matrix<T, 3, 3>& m) {
  const vec<T, 3> a = m[0], b = m[1], c = m[2];
  return a.x * (b.y * c.z - c.y * b.z) - b.x * (a.y * c.z - c.y * a.z) + c.x * (a.y * b.z - b.y * a.z);
}
// By the 2x2 minors of the upper and the lower two rows.
template <typename T>
T determinant(const matrix<T, 4, 4>& m) {
  const vec<T, 4> a = m[0], b = m[1], c = m[2], d = m[3];
  return (a.x * b.y - b.x * a.y) * (c.z * d.w - d.z * c.w) - (a.x * c.y - c.x * a.y) * (b.z * d.w - d.z * b.w) +
         (a.x * d.y - d.x * a.y) * (b.z * c.w - c.z * b.w) + (b.x * c.y - c.x * b.y) * (a.z * d.w - d.z * a.w) -
         (b.x * d.y - d.x * b.y) * (a.z * c.w - c.z * a.w) + (c.x * d.y - d.x * c.y) * (a.z * b.w - b.z * a.w);
}

#define MSL_MATRICES(T)           \
  using T##2x2 = matrix<T, 2, 2>; \
  using T##2x3 = matrix<T, 2, 3>; \
  using T##2x4 = matrix<T, 2, 4>; \
  using T##3x2 = matrix<T, 3, 2>; \
  using T##3x3 = matrix<T, 3, 3>; \
  using T##3x4 = matrix<T, 3, 4>; \
  using T##4x2 = matrix<T, 4, 2>; \
  using T##4x3 = matrix<T, 4, 3>; \
  using T##4x4 = matrix<T, 4, 4>;
MSL_MATRICES(float)
MSL_MATRICES(half)
#undef MSL_MATRICES

template <typename T, size_t N>
struct array {
  T elements[N];

  static constexpr size_t size() { return N; }
  static constexpr bool empty() { return N == 0; }
  constexpr T& operator[](size_t i) { return elements[i]; }
  constexpr const T& operator[](size_t i) const { return elements[i]; }
  constexpr T* data() { return elements; }
  constexpr const T* data() const { return elements; }
  constexpr T* begin() { return elements; }
  constexpr const T* begin() const { return elements; }
  constexpr T* end() { return elements + N; }
  constexpr const T* end() const { return elements + N; }
  constexpr T& front() { return elements[0]; }
  constexpr T& back() { return elements[N - 1]; }
  void fill(T value) {
    for (size_t i = 0; i < N; ++i) elements[i] = value;
  }
};
}  // namespace metal
