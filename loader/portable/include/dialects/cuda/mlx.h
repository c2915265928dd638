// What MLX puts before every custom kernel on Metal: complex numbers, limits, indexing; and a silent os_log.
#pragma once

#include "simd.h"

#define MTL_CONST
#define MLX_MTL_CONST static constexpr
#define MLX_MTL_PRAGMA_UNROLL _Pragma("unroll")
#define MLX_MTL_LOOP_UNROLL _Pragma("unroll")

namespace metal {
using float16_t = half;
using bfloat16_t = bfloat;
inline ushort bfloat16_to_uint16(bfloat16_t x) { return x.bits; }
inline bfloat16_t uint16_to_bfloat16(ushort x) { return bfloat16_t::of_bits(x); }

template <typename T>
struct complex_t {
  T real, imag;

  complex_t() = default;
  constexpr complex_t(T re, T im) : real(re), imag(im) {}
  complex_t(vec<T, 2> v) : real(v.x), imag(v.y) {}
  template <typename U, msl::enable_if<msl::is_scalar<U>, int> = 0>
  complex_t(U x) : real((T)x), imag(0) {}
  template <typename U, msl::enable_if<!msl::is_same<T, U>, int> = 0>
  complex_t(complex_t<U> z) : real((T)z.real), imag((T)z.imag) {}

  template <typename U, msl::enable_if<msl::is_scalar<U>, int> = 0>
  explicit operator U() const { return (U)real; }
  operator vec<T, 2>() const { return vec<T, 2>(real, imag); }
};
using complex32_t = complex_t<half>;
using complex64_t = complex_t<float>;

template <typename T>
constexpr bool is_complex_v = false;
template <typename T>
constexpr bool is_complex_v<complex_t<T>> = true;

template <typename T>
complex_t<T> operator-(complex_t<T> z) { return {(T)-z.real, (T)-z.imag}; }
template <typename T>
complex_t<T> operator+(complex_t<T> a, complex_t<T> b) { return {(T)(a.real + b.real), (T)(a.imag + b.imag)}; }
template <typename T>
complex_t<T> operator-(complex_t<T> a, complex_t<T> b) { return {(T)(a.real - b.real), (T)(a.imag - b.imag)}; }
template <typename T>
complex_t<T> operator*(complex_t<T> a, complex_t<T> b) {
  return {(T)(a.real * b.real - a.imag * b.imag), (T)(a.real * b.imag + a.imag * b.real)};
}
// Smith's division: scaled by the larger part of b, so that |b|^2 cannot overflow.
template <typename T>
complex_t<T> operator/(complex_t<T> a, complex_t<T> b) {
  const float x = a.real, y = a.imag, c = b.real, d = b.imag;
  if (::fabsf(c) < ::fabsf(d)) {
    const float r = c / d, s = c * r + d;
    return {(T)((x * r + y) / s), (T)((y * r - x) / s)};
  }
  const float r = d / c, s = d * r + c;
  return {(T)((y * r + x) / s), (T)((y - x * r) / s)};
}
// By parts, and with the sign of the divisor, as MLX's remainder is.
template <typename T>
complex_t<T> operator%(complex_t<T> a, complex_t<T> b) {
  T re = a.real - b.real * (T)(long)(a.real / b.real), im = a.imag - b.imag * (T)(long)(a.imag / b.imag);
  if (re != 0 && (re < 0) != (b.real < 0)) re += b.real;
  if (im != 0 && (im < 0) != (b.imag < 0)) im += b.imag;
  return {re, im};
}
#define MLX_COMPLEX_MIXED(op)                                                               \
  template <typename T, typename U, msl::enable_if<msl::is_scalar<U>, int> = 0>             \
  complex_t<T> operator op(complex_t<T> a, U b) { return a op complex_t<T>(b); }            \
  template <typename T, typename U, msl::enable_if<msl::is_scalar<U>, int> = 0>             \
  complex_t<T> operator op(U a, complex_t<T> b) { return complex_t<T>(a) op b; }            \
  template <typename T, typename U>                                                         \
  complex_t<T>& operator op##=(complex_t<T>& a, U b) { return a = a op complex_t<T>(b); }
MLX_COMPLEX_MIXED(+)
MLX_COMPLEX_MIXED(-)
MLX_COMPLEX_MIXED(*)
MLX_COMPLEX_MIXED(/)
#undef MLX_COMPLEX_MIXED

// Ordered by the real part, then by the imaginary.
template <typename T>
bool operator==(complex_t<T> a, complex_t<T> b) { return a.real == b.real && a.imag == b.imag; }
template <typename T>
bool operator!=(complex_t<T> a, complex_t<T> b) { return !(a == b); }
template <typename T>
bool operator<(complex_t<T> a, complex_t<T> b) { return a.real < b.real || (a.real == b.real && a.imag < b.imag); }
template <typename T>
bool operator>(complex_t<T> a, complex_t<T> b) { return b < a; }
template <typename T>
bool operator<=(complex_t<T> a, complex_t<T> b) { return a < b || a == b; }
template <typename T>
bool operator>=(complex_t<T> a, complex_t<T> b) { return b <= a; }

// Real part from |1 + z|^2 - 1 where that is near 0, so that small z keep their digits.
template <typename T>
complex_t<T> log1p(complex_t<T> z) {
  const float x = z.real, y = z.imag, excess = x * (2.0f + x) + y * y;
  const float modulus = ::fabsf(excess) < 0.5f ? 0.5f * ::log1pf(excess) : ::logf(::hypotf(1.0f + x, y));
  return {(T)modulus, (T)::atan2f(y, 1.0f + x)};
}

template <typename U>
struct WorkPerThread {
  static_assert(sizeof(U) <= 8, "WorkPerThread knows types of up to 8 bytes.");
  static constexpr int n = 8 / sizeof(U);
};
template <typename U>
struct Limits {
  static constexpr bool infinite = msl::is_float<U>;
  static constexpr U max = infinite ? numeric_limits<U>::infinity() : numeric_limits<U>::max();
  static constexpr U finite_max = numeric_limits<U>::max(), finite_min = numeric_limits<U>::lowest();
  static constexpr U min = [] {
    if constexpr (msl::is_small<U>) {
      return U::of_bits(numeric_limits<U>::infinity().bits | 0x8000);
    } else {
      return infinite ? (U)(-numeric_limits<U>::infinity()) : numeric_limits<U>::lowest();
    }
  }();
};
template <>
struct Limits<complex64_t> {
  static constexpr float infinity = cuda::std::numeric_limits<float>::infinity();
  static constexpr complex64_t max = {infinity, infinity}, min = {-infinity, -infinity};
};

template <typename T, typename U>
constexpr T ceildiv(T n, U m) { return (n + m - 1) / m; }

template <bool Condition, typename T, typename U>
struct ConditionalType : conditional<Condition, T, U> {};

template <typename U, typename T>
U cast_to(T x) {
  if constexpr (is_same_v<U, bool> && is_complex_v<T>) {
    return x.real != 0 || x.imag != 0;
  } else if constexpr (is_same_v<U, bool>) {
    return x != 0;
  } else {
    return static_cast<U>(x);
  }
}

// Where element `elem` of an array of this shape lies, in elements.
template <typename IdxT = int64_t, typename Shape, typename Strides, msl::enable_if<msl::is_integer<IdxT>, int> = 0>
IdxT elem_to_loc(IdxT elem, Shape shape, Strides strides, int ndim) {
  IdxT at = 0;
  for (int d = ndim - 1; d >= 0; --d) {
    at += (elem % shape[d]) * (IdxT)strides[d];
    elem /= shape[d];
  }
  return at;
}
// The same for (last index, last but one, all before them).
template <typename IdxT = int64_t, typename Shape, typename Strides>
IdxT elem_to_loc(uint3 elem, Shape shape, Strides strides, int ndim) {
  const IdxT at = elem.x * (IdxT)strides[ndim - 1] + elem.y * (IdxT)strides[ndim - 2];
  return at + elem_to_loc<IdxT>((IdxT)elem.z, shape, strides, ndim - 2);
}
template <typename IdxT = int64_t, typename Stride>
IdxT elem_to_loc_1(uint elem, const Stride& stride) { return elem * (IdxT)stride; }
template <typename IdxT = int64_t, typename Strides>
IdxT elem_to_loc_2(uint2 elem, Strides strides) { return elem.x * (IdxT)strides[1] + elem.y * (IdxT)strides[0]; }
template <typename IdxT = int64_t, typename Strides>
IdxT elem_to_loc_3(uint3 elem, Strides strides) {
  return elem.x * (IdxT)strides[2] + elem.y * (IdxT)strides[1] + elem.z * (IdxT)strides[0];
}
template <typename IdxT = int64_t, typename Shape, typename Strides>
vec<IdxT, 2> elem_to_loc_2_nd(uint3 elem, Shape shape, Strides a, Strides b, int ndim) {
  return {elem_to_loc<IdxT>(elem, shape, a, ndim), elem_to_loc<IdxT>(elem, shape, b, ndim)};
}
template <typename IdxT = int64_t, typename Shape, typename Strides>
vec<IdxT, 3> elem_to_loc_3_nd(uint3 elem, Shape shape, Strides a, Strides b, Strides c, int ndim) {
  return {elem_to_loc<IdxT>(elem, shape, a, ndim), elem_to_loc<IdxT>(elem, shape, b, ndim),
          elem_to_loc<IdxT>(elem, shape, c, ndim)};
}

struct os_log {
#define MSL_LOG(name)        \
  template <typename... A>   \
  void name(A...) const {}
  MSL_LOG(log)
  MSL_LOG(log_info)
  MSL_LOG(log_debug)
  MSL_LOG(log_error)
  MSL_LOG(log_fault)
#undef MSL_LOG
};
constexpr os_log os_log_default{};
}  // namespace metal
