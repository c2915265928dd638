// floatCxR and halfCxR: C columns of R rows, held by column.
#pragma once

namespace metal {
template <typename T, int C, int R>
struct matrix {
  using column = vec<T, R>;
  column columns[C];

  matrix() = default;
  matrix(const matrix&) = default;
  matrix& operator=(const matrix&) = default;
  // From constant memory; a template, so that braces are no such matrix.
  MSL_SPACES(template <typename M, typename = enable_if_t<msl::same<M, matrix>>> matrix(const constant M& m) {
    for (int c = 0; c < C; ++c) columns[c] = m.columns[c];
  })
  MSL_SPACES(matrix& operator=(const constant matrix& m) { return *this = matrix(m); })
  explicit matrix(T diagonal) {
    for (int c = 0; c < C; ++c)
      for (int r = 0; r < R; ++r) columns[c][r] = r == c ? diagonal : (T)0;
  }
  template <typename U>
  explicit matrix(matrix<U, C, R> m) {
    for (int c = 0; c < C; ++c) columns[c] = msl::to<T>(m.columns[c]);
  }
  // From C columns, or from C * R scalars column by column.
  template <typename A, typename B, typename... Rest>
  matrix(A a, B b, Rest... rest) {
    int i = 0;
    append(i, a);
    append(i, b);
    (append(i, rest), ...);
  }
  // From C columns in braces.
  template <int... N>
  matrix(const T (&... a)[N]) {
    static_assert(sizeof...(N) == C && (... && (N == R)), "a matrix has as many columns and rows as its name says");
    int c = 0;
    (set(c++, a), ...);
  }

#define MSL_COLUMN(space)                                              \
  space column& operator[](int c) space { return columns[c]; }         \
  const space column& operator[](int c) const space { return columns[c]; }
  MSL_PLACES(MSL_COLUMN)
#undef MSL_COLUMN
  MSL_SPACES(const constant column& operator[](int c) const constant { return columns[c]; })

 private:
  void set(int c, const T (&a)[R]) {
    for (int r = 0; r < R; ++r) columns[c][r] = a[r];
  }
  template <typename A>
  void append(int& i, A a) {
    if constexpr (msl::size<A> > 1) {
      columns[i / R] = msl::to<T>(a);
      i += R;
    } else {
      columns[i / R][i % R] = (T)a;
      i += 1;
    }
  }
};

template <typename T, int C, int R>
METAL_FUNC matrix<T, C, R> operator-(matrix<T, C, R> a) {
  for (int c = 0; c < C; ++c) a.columns[c] = -a.columns[c];
  return a;
}
template <typename T, int C, int R>
METAL_FUNC matrix<T, C, R> operator+(matrix<T, C, R> a, matrix<T, C, R> b) {
  for (int c = 0; c < C; ++c) a.columns[c] += b.columns[c];
  return a;
}
template <typename T, int C, int R>
METAL_FUNC matrix<T, C, R> operator-(matrix<T, C, R> a, matrix<T, C, R> b) {
  for (int c = 0; c < C; ++c) a.columns[c] -= b.columns[c];
  return a;
}
template <typename T, int C, int R>
METAL_FUNC bool operator==(matrix<T, C, R> a, matrix<T, C, R> b) {
  bool equal = true;
  for (int c = 0; c < C; ++c)
    for (int r = 0; r < R; ++r) equal &= a.columns[c][r] == b.columns[c][r];
  return equal;
}
template <typename T, int C, int R>
METAL_FUNC bool operator!=(matrix<T, C, R> a, matrix<T, C, R> b) {
  return !(a == b);
}
template <typename T, int C, int R, typename S, typename = decltype((T)S())>
METAL_FUNC matrix<T, C, R> operator*(matrix<T, C, R> a, S s) {
  for (int c = 0; c < C; ++c) a.columns[c] *= (T)s;
  return a;
}
template <typename T, int C, int R, typename S, typename = decltype((T)S())>
METAL_FUNC matrix<T, C, R> operator*(S s, matrix<T, C, R> a) {
  return a * s;
}
template <typename T, int C, int R>
METAL_FUNC vec<T, R> operator*(matrix<T, C, R> a, vec<T, C> v) {
  vec<T, R> r = a.columns[0] * v[0];
  for (int c = 1; c < C; ++c) r += a.columns[c] * v[c];
  return r;
}
template <typename T, int C, int R>
METAL_FUNC matrix<T, R, C> transpose(matrix<T, C, R> a) {
  matrix<T, R, C> r;
  for (int c = 0; c < C; ++c)
    for (int i = 0; i < R; ++i) r.columns[i][c] = a.columns[c][i];
  return r;
}
template <typename T, int C, int R>
METAL_FUNC vec<T, C> operator*(vec<T, R> v, matrix<T, C, R> a) {
  return transpose(a) * v;
}
template <typename T, int C, int K, int R>
METAL_FUNC matrix<T, C, R> operator*(matrix<T, K, R> a, matrix<T, C, K> b) {
  matrix<T, C, R> r;
  for (int c = 0; c < C; ++c) r.columns[c] = a * b.columns[c];
  return r;
}
#define MSL_MATRIX_ASSIGN(op)                                              \
  template <typename T, int C, int R, typename B>                          \
  METAL_FUNC matrix<T, C, R>& operator op## = (matrix<T, C, R> & a, B b) { \
    return a = a op b;                                                     \
  }
MSL_MATRIX_ASSIGN(+)
MSL_MATRIX_ASSIGN(-)
MSL_MATRIX_ASSIGN(*)
#undef MSL_MATRIX_ASSIGN

template <typename T>
METAL_FUNC T determinant(matrix<T, 2, 2> m) {
  return m[0].x * m[1].y - m[1].x * m[0].y;
}
template <typename T>
METAL_FUNC T determinant(matrix<T, 3, 3> m) {
  vec<T, 3> a = m[0], b = m[1], c = m[2];
  return a.x * (b.y * c.z - c.y * b.z) - b.x * (a.y * c.z - c.y * a.z) + c.x * (a.y * b.z - b.y * a.z);
}
// By the 2x2 minors of the upper and the lower two rows.
template <typename T>
METAL_FUNC T determinant(matrix<T, 4, 4> m) {
  vec<T, 4> a = m[0], b = m[1], c = m[2], d = m[3];
  return (a.x * b.y - b.x * a.y) * (c.z * d.w - d.z * c.w) -
         (a.x * c.y - c.x * a.y) * (b.z * d.w - d.z * b.w) +
         (a.x * d.y - d.x * a.y) * (b.z * c.w - c.z * b.w) +
         (b.x * c.y - c.x * b.y) * (a.z * d.w - d.z * a.w) -
         (b.x * d.y - d.x * b.y) * (a.z * c.w - c.z * a.w) +
         (c.x * d.y - d.x * c.y) * (a.z * b.w - b.z * a.w);
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
}  // namespace metal
