// simdgroup_matrix as Apple's GPUs hold it, for counting registers and for nothing else: two numbers of a matrix a lane,
// no copy across, no blocks. A product is an instruction that the compiler cannot look into, and computes nonsense.
#pragma once

#include "simd.h"

namespace msl {
inline int fragment_row() { return (int)lane() / 8 * 2 + (int)lane() / 2 % 2; }
inline int fragment_column() { return (int)lane() / 4 % 2 * 4 + (int)lane() % 2 * 2; }

// Reads two numbers of each operand and writes two; the lanes stay together, as in a product.
inline metal::float2 opaque_product(metal::float2 a, metal::float2 b, metal::float2 c) {
  float first, second;
  asm volatile(
      "{\n.reg .f32 s, t;\n"
      "fma.rn.f32 s, %2, %4, %6;\nfma.rn.f32 t, %3, %5, %7;\n"
      "shfl.sync.bfly.b32 %0, s, 1, 31, -1;\nshfl.sync.bfly.b32 %1, t, 1, 31, -1;\n}"
      : "=f"(first), "=f"(second)
      : "f"(a[0]), "f"(a[1]), "f"(b[0]), "f"(b[1]), "f"(c[0]), "f"(c[1]));
  return metal::float2(first, second);
}
}  // namespace msl

namespace metal {
template <typename T, int Columns = 8, int Rows = 8>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8, "Metal has simdgroup matrices of 8x8 only.");
  static_assert(is_floating_point_v<T>, "Metal has simdgroup matrices of float, half and bfloat only.");

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    const int row = msl::fragment_row(), column = msl::fragment_column();
    elements[0] = row == column ? diagonal : (T)0.0f;
    elements[1] = row == column + 1 ? diagonal : (T)0.0f;
  }
  vec<T, 2>& thread_elements() { return elements; }
  const vec<T, 2>& thread_elements() const { return elements; }
  float2 wide() const { return float2((float)elements[0], (float)elements[1]); }

 private:
  vec<T, 2> elements;
};
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <typename T, int Columns, int Rows>
simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  simdgroup_matrix<T, Columns, Rows> m;
  m.thread_elements() = vec<T, 2>(value, value);
  return m;
}
template <typename T, int Columns, int Rows>
simdgroup_matrix<T, Columns, Rows> make_diagonal_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Columns, Rows>(value);
}

template <typename T, typename Pointer>
void simdgroup_load(
    simdgroup_matrix<T>& d, Pointer source, ulong elements_per_row = 8, ulong2 origin = 0, bool transposed = false) {
  const auto p = source + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = (int)elements_per_row;
  const int at = transposed ? column * stride + row : row * stride + column;
  d.thread_elements() = vec<T, 2>(p[at], p[at + (transposed ? stride : 1)]);
}
template <typename T, typename Pointer>
void simdgroup_store(
    const simdgroup_matrix<T>& a,
    Pointer destination,
    ulong elements_per_row = 8,
    ulong2 origin = 0,
    bool transposed = false) {
  const auto p = destination + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = (int)elements_per_row;
  const int at = transposed ? column * stride + row : row * stride + column;
  p[at] = a.thread_elements()[0];
  p[at + (transposed ? stride : 1)] = a.thread_elements()[1];
}

template <typename D, typename A, typename B, typename C>
void simdgroup_multiply_accumulate(
    simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<B>& b, const simdgroup_matrix<C>& c) {
  const float2 sum = msl::opaque_product(a.wide(), b.wide(), c.wide());
  d.thread_elements() = vec<D, 2>((D)sum[0], (D)sum[1]);
}
template <typename D, typename A, typename B>
void simdgroup_multiply(simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<B>& b) {
  simdgroup_multiply_accumulate(d, a, b, simdgroup_matrix<float>(0.0f));
}
template <typename A, typename B>
simdgroup_matrix<A> operator*(const simdgroup_matrix<A>& a, const simdgroup_matrix<B>& b) {
  simdgroup_matrix<A> d;
  simdgroup_multiply(d, a, b);
  return d;
}
}  // namespace metal
