// 8x8 matrices spread over a simdgroup, two elements a lane.
#pragma once

#include "lanes.h"

namespace msl {
// The layout of Apple GPUs. Bits of the lane: row 2, column 2, row 1, row 0, column 1; the element is column 0.
METAL_FUNC int fragment_row() { return (uniform_lane() >> 4 & 1) << 2 | (uniform_lane() >> 1 & 3); }
METAL_FUNC int fragment_column() { return (uniform_lane() >> 3 & 1) << 2 | (uniform_lane() & 1) << 1; }

// Where bit 2 and 1 of a column, and all bits of a row, lie in the lane.
METAL_FUNC constexpr uint column_lanes(uint c) { return (c >> 2 & 1) << 3 | (c >> 1 & 1); }
METAL_FUNC constexpr uint row_lanes(uint r) { return (r >> 2 & 1) << 4 | (r & 3) << 1; }

struct fragment {
  float first, second;

  // Take the elements of the lanes `mask` away, where `condition` holds.
  METAL_FUNC void exchange(uint mask, bool condition) {
    float a = xor_lane(first, mask), b = xor_lane(second, mask);
    first = condition ? a : first;
    second = condition ? b : second;
  }
};

// Swap the bits of row and column, of which bit 0 of the column is the element.
METAL_FUNC fragment transpose(fragment x) {
  const uint row = fragment_row(), column = fragment_column();
  const bool odd = row & 1;
  const float moved = xor_lane(odd ? x.first : x.second, row_lanes(1));
  x.first = odd ? moved : x.first;
  x.second = odd ? x.second : moved;
  x.exchange(row_lanes(2) | column_lanes(2), (row ^ column) & 2);
  x.exchange(row_lanes(4) | column_lanes(4), (row ^ column) & 4);
  return x;
}

// Cannon's scheme with xor for rotation: with A'(m, p) = A(m, p ^ m) and B'(q, n) = B(q ^ n, n),
// (A B)(m, n) = sum over s of A'(m, n ^ s) B'(m ^ s, n), and each s is a fixed exchange of lanes.
METAL_FUNC fragment skewed_left(fragment a) {
  const uint m = fragment_row();
  const float old = a.first;
  a.first = m & 1 ? a.second : a.first;
  a.second = m & 1 ? old : a.second;
  a.exchange(column_lanes(2), m & 2);
  a.exchange(column_lanes(4), m & 4);
  return a;
}
METAL_FUNC fragment skewed_right(fragment b) {
  const uint n = fragment_column();
  b.second = xor_lane(b.second, row_lanes(1));
  b.exchange(row_lanes(2), n & 2);
  b.exchange(row_lanes(4), n & 4);
  return b;
}

// c[i][j] += a[i] b[j] of one s.
template <int R, int C>
METAL_FUNC void add_products(fragment (&c)[R][C], fragment (&a)[R], fragment (&b)[C]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < R; ++i) {
#pragma clang loop unroll(full)
    for (int j = 0; j < C; ++j) {
      c[i][j].first = ::fma(a[i].first, b[j].first, c[i][j].first);
      c[i][j].second = ::fma(a[i].second, b[j].second, c[i][j].second);
    }
  }
}

// The operands of the s that differs in `bit`.
template <uint bit, int R, int C>
METAL_FUNC void flip(fragment (&a)[R], fragment (&b)[C]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < R; ++i) {
    const fragment old = a[i];
    a[i].first = xor_lane(bit == 1 ? old.second : old.first, column_lanes(bit));
    a[i].second = xor_lane(bit == 1 ? old.first : old.second, column_lanes(bit));
  }
#pragma clang loop unroll(full)
  for (int j = 0; j < C; ++j) b[j] = {xor_lane(b[j].first, row_lanes(bit)), xor_lane(b[j].second, row_lanes(bit))};
}

// c[i][j] += a[i] b[j]. Neighbours in Gray's order of s differ in one bit: one exchange a matrix, which all
// products with it share.
template <int R, int C>
METAL_FUNC void multiply_add(fragment (&c)[R][C], fragment (&a)[R], fragment (&b)[C]) {
#pragma clang loop unroll(full)
  for (int i = 0; i < R; ++i) a[i] = skewed_left(a[i]);
#pragma clang loop unroll(full)
  for (int j = 0; j < C; ++j) b[j] = skewed_right(b[j]);
#ifdef MSL_QUICK
#pragma clang loop unroll(disable)
#else
#pragma clang loop unroll(full)
#endif
  for (uint quarter = 0; quarter < 4; ++quarter) {
    add_products<R, C>(c, a, b);
    flip<1, R, C>(a, b);
    add_products<R, C>(c, a, b);
    if (quarter == 1) {
      flip<4, R, C>(a, b);
    } else {
      flip<2, R, C>(a, b);
    }
  }
}
}  // namespace msl

namespace metal {
template <typename T, int Columns = 8, int Rows = 8>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8 && is_floating_point_v<T>, "Metal has 8x8 matrices of float, half and bfloat.");

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    int row = msl::fragment_row(), column = msl::fragment_column();
    elements[0] = row == column ? diagonal : (T)0.0f;
    elements[1] = row == column + 1 ? diagonal : (T)0.0f;
  }

  static METAL_FUNC simdgroup_matrix filled(T value) {
    simdgroup_matrix m;
    m.elements = (vec<T, 2>)value;
    return m;
  }

  __private vec<T, 2>& thread_elements() { return *(__private vec<T, 2>*)&elements; }
  const vec<T, 2>& thread_elements() const { return elements; }
  msl::fragment wide() const { return {msl::widen(elements[0]), msl::widen(elements[1])}; }

 private:
  vec<T, 2> elements;
};
}  // namespace metal

#include "../../library/simdgroup_matrix.h"

namespace metal {
// Offsets within the matrix are int: they vectorize, 64-bit ones become slow gathers. Pairs of float move as
// one: half the gathers.
template <typename T, typename Pointer>
METAL_FUNC void simdgroup_load(simdgroup_matrix<T>& d, Pointer source, ulong elements_per_row = 8,
                               ulong2 origin = 0, bool transposed = false) {
  auto p = source + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = elements_per_row;
  const int first = row * stride + column;
  if constexpr (is_same_v<T, float>) {
    d.thread_elements() = vload2(0, p + first);
  } else {
    d.thread_elements()[0] = p[first];
    d.thread_elements()[1] = p[first + 1];
  }
  if (transposed) {
    msl::fragment r = msl::transpose(d.wide());
    d.thread_elements() = vec<T, 2>{msl::to<T>(r.first), msl::to<T>(r.second)};
  }
}
template <typename T, typename Pointer>
METAL_FUNC void simdgroup_store(simdgroup_matrix<T> a, Pointer destination, ulong elements_per_row = 8,
                                ulong2 origin = 0, bool transposed = false) {
  auto p = destination + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = elements_per_row;
  const int first = row * stride + column;
  if (transposed) {
    msl::fragment r = msl::transpose(a.wide());
    a.thread_elements() = vec<T, 2>{msl::to<T>(r.first), msl::to<T>(r.second)};
  }
  if constexpr (is_same_v<T, float>) {
    vstore2(a.thread_elements(), 0, p + first);
  } else {
    p[first] = a.thread_elements()[0];
    p[first + 1] = a.thread_elements()[1];
  }
}

// d = a b + c, summed in float and rounded once.
template <typename D, typename A, typename B, typename C>
METAL_FUNC void simdgroup_multiply_accumulate(
    simdgroup_matrix<D>& d, simdgroup_matrix<A> a, simdgroup_matrix<B> b, simdgroup_matrix<C> c) {
  msl::fragment sum[1][1] = {{c.wide()}}, left[1] = {a.wide()}, right[1] = {b.wide()};
  msl::multiply_add<1, 1>(sum, left, right);
  d.thread_elements() = vec<D, 2>{(D)sum[0][0].first, (D)sum[0][0].second};
}
// Ours alone: 2x2 products at once, d00 += a0 b0, d01 += a0 b1 and so on. Metal has no such thing, so a shader
// asks whether __HAVE_SIMDGROUP_MULTIPLY_2X2__ is defined. What A and B say of the elements helps on tensor cores only.
#define __HAVE_SIMDGROUP_MULTIPLY_2X2__ 1
template <typename A = float, typename B = float>
METAL_FUNC void simdgroup_multiply_accumulate_2x2(
    simdgroup_float8x8& d00, simdgroup_float8x8& d01, simdgroup_float8x8& d10, simdgroup_float8x8& d11,
    simdgroup_float8x8 a0, simdgroup_float8x8 a1, simdgroup_float8x8 b0, simdgroup_float8x8 b1) {
  msl::fragment sum[2][2] = {{d00.wide(), d01.wide()}, {d10.wide(), d11.wide()}};
  msl::fragment left[2] = {a0.wide(), a1.wide()}, right[2] = {b0.wide(), b1.wide()};
  msl::multiply_add<2, 2>(sum, left, right);
  d00.thread_elements() = float2{sum[0][0].first, sum[0][0].second};
  d01.thread_elements() = float2{sum[0][1].first, sum[0][1].second};
  d10.thread_elements() = float2{sum[1][0].first, sum[1][0].second};
  d11.thread_elements() = float2{sum[1][1].first, sum[1][1].second};
}
}  // namespace metal
