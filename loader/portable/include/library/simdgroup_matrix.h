// What simdgroup_matrix has beside the struct, its loads, stores and products, which are a dialect's.
#pragma once

namespace metal {
using simdgroup_float8x8 = simdgroup_matrix<float, 8, 8>;
using simdgroup_half8x8 = simdgroup_matrix<half, 8, 8>;
using simdgroup_bfloat8x8 = simdgroup_matrix<bfloat, 8, 8>;

template <typename T, int Columns, int Rows>
METAL_FUNC simdgroup_matrix<T, Columns, Rows> make_filled_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Columns, Rows>::filled(value);
}
template <typename T, int N>
METAL_FUNC simdgroup_matrix<T, N, N> make_filled_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, N, N>::filled(value);
}
template <typename T, int Columns, int Rows>
METAL_FUNC simdgroup_matrix<T, Columns, Rows> make_diagonal_simdgroup_matrix(T value) {
  return simdgroup_matrix<T, Columns, Rows>(value);
}

template <typename D, typename A, typename B>
METAL_FUNC void simdgroup_multiply(simdgroup_matrix<D>& d, simdgroup_matrix<A> a, simdgroup_matrix<B> b) {
  simdgroup_multiply_accumulate(d, a, b, simdgroup_matrix<float>(0.0f));
}
template <typename A, typename B>
METAL_FUNC simdgroup_matrix<A> operator*(simdgroup_matrix<A> a, simdgroup_matrix<B> b) {
  simdgroup_matrix<A> d;
  simdgroup_multiply(d, a, b);
  return d;
}
}  // namespace metal
