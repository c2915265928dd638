// <metal_simdgroup_matrix>, and the names of matrices, which are global too.
#pragma once

#include "vector.h"
#include "../../library/matrix.h"

namespace metal {
/// A matrix whose elements are spread over the threads of a simdgroup; Metal has it 8 by 8.
template <typename T, int C, int R>
struct simdgroup_matrix {
  static_assert(is_floating_point_v<T> && C == 8 && R == 8, "a simdgroup_matrix is 8 by 8, of float, half or bfloat");
  using storage_type = vec<T, 64>;
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal);
  thread vec<T, 2>& thread_elements();
  const thread vec<T, 2>& thread_elements() const;
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <typename T, int C, int R>
simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T value);
template <typename T, int N>
simdgroup_matrix<T, N, N> make_filled_simdgroup_matrix(T value);
template <typename T, int C, int R>
simdgroup_matrix<T, C, R> make_diagonal_simdgroup_matrix(T value);
#define MSL_TRANSFER(space)                                                                                   \
  template <typename T, int C, int R>                                                                         \
  void simdgroup_load(thread simdgroup_matrix<T, C, R>& d, const space T* source, ulong elements_per_row = C, \
                      ulong2 origin = 0, bool transpose = false);
MSL_TRANSFER(device)
MSL_TRANSFER(constant)
MSL_TRANSFER(threadgroup)
#undef MSL_TRANSFER
#define MSL_TRANSFER(space)                                                                             \
  template <typename T, int C, int R>                                                                   \
  void simdgroup_store(simdgroup_matrix<T, C, R> a, space T* target, ulong elements_per_row = C,        \
                       ulong2 origin = 0, bool transpose = false);
MSL_TRANSFER(device)
MSL_TRANSFER(threadgroup)
#undef MSL_TRANSFER
/// d = a * b.
template <typename D, typename A, typename B, int C, int R>
void simdgroup_multiply(thread simdgroup_matrix<D, C, R>& d, simdgroup_matrix<A, C, R> a, simdgroup_matrix<B, C, R> b);
/// d = a * b + c.
template <typename D, typename A, typename B, typename S, int C, int R>
void simdgroup_multiply_accumulate(thread simdgroup_matrix<D, C, R>& d, simdgroup_matrix<A, C, R> a,
                                   simdgroup_matrix<B, C, R> b, simdgroup_matrix<S, C, R> c);
template <typename T, int C, int R>
simdgroup_matrix<T, C, R> operator*(simdgroup_matrix<T, C, R>, simdgroup_matrix<T, C, R>);
template <typename T, int C, int R>
simdgroup_matrix<T, C, R> operator+(simdgroup_matrix<T, C, R>, simdgroup_matrix<T, C, R>);
}  // namespace metal
#define MSL_GLOBAL(T)                                        \
  using metal::T##2x2, metal::T##2x3, metal::T##2x4;         \
  using metal::T##3x2, metal::T##3x3, metal::T##3x4;         \
  using metal::T##4x2, metal::T##4x3, metal::T##4x4;
MSL_GLOBAL(float)
MSL_GLOBAL(half)
#undef MSL_GLOBAL
using metal::simdgroup_bfloat8x8, metal::simdgroup_float8x8, metal::simdgroup_half8x8;
