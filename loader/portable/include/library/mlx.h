// What MLX puts before every custom kernel: complex numbers, limits, indexing, special functions. Included where the
// dialect has it: MLX declares it globally.
#pragma once

typedef half float16_t;
typedef bfloat bfloat16_t;

#define MLX_MTL_CONST static constant constexpr const
#define MTL_CONST MLX_MTL_CONST
#define MLX_MTL_PRAGMA_UNROLL MSL_UNROLL
#define MLX_MTL_LOOP_UNROLL MSL_UNROLL

METAL_FUNC ushort bfloat16_to_uint16(bfloat16_t x) { return metal::as_type<ushort>(x); }
METAL_FUNC bfloat16_t uint16_to_bfloat16(ushort x) { return metal::as_type<bfloat16_t>(x); }

template <typename T>
struct complex_t {
  T real, imag;

  MSL_DEFAULT(complex_t, real(0), imag(0))
  constexpr complex_t(T re, T im) : real(re), imag(im) {}
  constexpr complex_t(metal::vec<T, 2> v) : real(v.x), imag(v.y) {}
  constexpr complex_t(const complex_t&) = default;
  complex_t& operator=(const complex_t&) = default;
  MSL_SPACES(constexpr complex_t(T re, T im) constant : real(re), imag(im) {})
  MSL_SPACES(constexpr complex_t(const constant complex_t& z) : real(z.real), imag(z.imag) {})
  MSL_SPACES(complex_t& operator=(const constant complex_t& z) { return *this = complex_t(z); })
  template <typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>>
  constexpr complex_t(U x) : real((T)x), imag(0) {}
  template <typename U, typename = metal::enable_if_t<!metal::is_same_v<T, U>>>
  constexpr complex_t(complex_t<U> z) : real((T)z.real), imag((T)z.imag) {}
  complex_t& operator=(T x) { return *this = complex_t(x); }
  complex_t& operator=(metal::vec<T, 2> v) { return *this = complex_t(v); }

  template <typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>>
  constexpr operator U() const {
    return (U)real;
  }
  MSL_SPACES(template <typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>>
             constexpr operator U() const constant { return (U)real; })
  constexpr operator metal::vec<T, 2>() const { return metal::vec<T, 2>{real, imag}; }
};
using complex32_t = complex_t<half>;
using complex64_t = complex_t<float>;

template <typename T>
constexpr constant bool is_complex_v = false;
template <typename T>
constexpr constant bool is_complex_v<complex_t<T>> = true;

template <typename T>
constexpr complex_t<T> operator-(complex_t<T> z) { return {(T)-z.real, (T)-z.imag}; }
template <typename T>
constexpr complex_t<T> operator+(complex_t<T> a, complex_t<T> b) {
  return {(T)(a.real + b.real), (T)(a.imag + b.imag)};
}
template <typename T>
constexpr complex_t<T> operator-(complex_t<T> a, complex_t<T> b) {
  return {(T)(a.real - b.real), (T)(a.imag - b.imag)};
}
template <typename T>
constexpr complex_t<T> operator*(complex_t<T> a, complex_t<T> b) {
  return {(T)(a.real * b.real - a.imag * b.imag), (T)(a.real * b.imag + a.imag * b.real)};
}
// Smith's division: scaled by the larger part of b, so that |b|^2 cannot overflow.
template <typename T>
constexpr complex_t<T> operator/(complex_t<T> a, complex_t<T> b) {
  float x = a.real, y = a.imag, c = b.real, d = b.imag;
  if (metal::fabs(c) < metal::fabs(d)) {
    float r = c / d, s = c * r + d;
    return {(T)((x * r + y) / s), (T)((y * r - x) / s)};
  }
  float r = d / c, s = d * r + c;
  return {(T)((y * r + x) / s), (T)((y - x * r) / s)};
}
// By parts, and with the sign of the divisor, as MLX's remainder is.
template <typename T>
constexpr complex_t<T> operator%(complex_t<T> a, complex_t<T> b) {
  T re = a.real - b.real * (T)(long)(a.real / b.real), im = a.imag - b.imag * (T)(long)(a.imag / b.imag);
  if (re != 0 && (re < 0) != (b.real < 0))
    re += b.real;
  if (im != 0 && (im < 0) != (b.imag < 0))
    im += b.imag;
  return {re, im};
}
#define MLX_COMPLEX_MIXED(op)                                                                 \
  template <typename T, typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>> \
  constexpr complex_t<T> operator op(complex_t<T> a, U b) {                                   \
    return a op complex_t<T>(b);                                                              \
  }                                                                                           \
  template <typename T, typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>> \
  constexpr complex_t<T> operator op(U a, complex_t<T> b) {                                   \
    return complex_t<T>(a) op b;                                                              \
  }                                                                                           \
  template <typename T, typename U>                                                           \
  constexpr complex_t<T>& operator op## = (complex_t<T> & a, U b) {                           \
    return a = a op complex_t<T>(b);                                                          \
  }
MLX_COMPLEX_MIXED(+)
MLX_COMPLEX_MIXED(-)
MLX_COMPLEX_MIXED(*)
MLX_COMPLEX_MIXED(/)
#undef MLX_COMPLEX_MIXED

// Ordered by the real part, then by the imaginary.
template <typename T>
constexpr bool operator==(complex_t<T> a, complex_t<T> b) { return a.real == b.real && a.imag == b.imag; }
template <typename T>
constexpr bool operator!=(complex_t<T> a, complex_t<T> b) { return !(a == b); }
template <typename T>
constexpr bool operator<(complex_t<T> a, complex_t<T> b) {
  return a.real < b.real || (a.real == b.real && a.imag < b.imag);
}
template <typename T>
constexpr bool operator>(complex_t<T> a, complex_t<T> b) { return b < a; }
template <typename T>
constexpr bool operator<=(complex_t<T> a, complex_t<T> b) { return a < b || a == b; }
template <typename T>
constexpr bool operator>=(complex_t<T> a, complex_t<T> b) { return b <= a; }

template <typename U>
struct WorkPerThread {
  static_assert(sizeof(U) <= 8, "WorkPerThread knows types of up to 8 bytes.");
  static constexpr constant int n = 8 / sizeof(U);
};

// The values a maximum or a minimum starts from; infinite where the type has infinities.
template <typename U>
struct Limits {
  using limits = metal::numeric_limits<U>;
  static constexpr constant bool infinite = metal::is_floating_point_v<U>;
  static constexpr constant U max = infinite ? limits::infinity() : limits::max();
  static constexpr constant U min = infinite ? (U)-limits::infinity() : limits::lowest();
  static constexpr constant U finite_max = limits::max();
  static constexpr constant U finite_min = limits::lowest();
};
template <typename T>
struct Limits<complex_t<T>> {
  static constexpr constant complex_t<T> max{Limits<T>::max, Limits<T>::max};
  static constexpr constant complex_t<T> min{Limits<T>::min, Limits<T>::min};
};

template <typename T, typename U>
METAL_FUNC constexpr T ceildiv(T n, U m) { return (n + m - 1) / m; }

template <bool Condition, typename T, typename U>
struct ConditionalType : metal::conditional<Condition, T, U> {};

template <typename U, typename T>
METAL_FUNC U cast_to(T x) {
  if constexpr (metal::is_same_v<U, bool> && is_complex_v<T>) {
    return x.real != 0 || x.imag != 0;
  } else if constexpr (metal::is_same_v<U, bool>) {
    return x != 0;
  } else {
    return msl::cast<U>(x);
  }
}

// Where element `elem` of an array of this shape lies, in elements.
template <typename IdxT = int64_t, typename Shape, typename Strides>
METAL_FUNC IdxT elem_to_loc(IdxT elem, Shape shape, Strides strides, int ndim) {
  IdxT at = 0;
  for (int d = ndim - 1; d >= 0; --d) {
    at += (elem % shape[d]) * (IdxT)strides[d];
    elem /= shape[d];
  }
  return at;
}
// The same for (last index, last but one, all before them).
template <typename IdxT = int64_t, typename Shape, typename Strides>
METAL_FUNC IdxT elem_to_loc(uint3 elem, Shape shape, Strides strides, int ndim) {
  IdxT at = elem.x * (IdxT)strides[ndim - 1] + elem.y * (IdxT)strides[ndim - 2];
  return at + elem_to_loc<IdxT>((IdxT)elem.z, shape, strides, ndim - 2);
}
template <typename IdxT = int64_t, typename Stride>
METAL_FUNC IdxT elem_to_loc_1(uint elem, const Stride& stride) { return elem * (IdxT)stride; }
template <typename IdxT = int64_t, typename Strides>
METAL_FUNC IdxT elem_to_loc_2(uint2 elem, Strides strides) {
  return elem.x * (IdxT)strides[1] + elem.y * (IdxT)strides[0];
}
template <typename IdxT = int64_t, typename Strides>
METAL_FUNC IdxT elem_to_loc_3(uint3 elem, Strides strides) {
  return elem.x * (IdxT)strides[2] + elem.y * (IdxT)strides[1] + elem.z * (IdxT)strides[0];
}
template <typename IdxT = int64_t, typename Shape, typename Strides>
METAL_FUNC metal::vec<IdxT, 2> elem_to_loc_2_nd(uint3 elem, Shape shape, Strides a, Strides b, int ndim) {
  return {elem_to_loc<IdxT>(elem, shape, a, ndim), elem_to_loc<IdxT>(elem, shape, b, ndim)};
}
template <typename IdxT = int64_t, typename Shape, typename Strides>
METAL_FUNC metal::vec<IdxT, 3> elem_to_loc_3_nd(
    uint3 elem, Shape shape, Strides a, Strides b, Strides c, int ndim) {
  return {
      elem_to_loc<IdxT>(elem, shape, a, ndim),
      elem_to_loc<IdxT>(elem, shape, b, ndim),
      elem_to_loc<IdxT>(elem, shape, c, ndim)};
}
