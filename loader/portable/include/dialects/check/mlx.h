// What MLX puts before every custom kernel: its complex numbers, limits, indexing and a few functions.
#pragma once

#include "metal_stdlib"

using namespace metal;

typedef half float16_t;
typedef bfloat bfloat16_t;

#define MTL_CONST static constant constexpr const
#define MLX_MTL_CONST static constant constexpr const
#define MLX_MTL_PRAGMA_UNROLL _Pragma("clang loop unroll(full)")
#define MLX_MTL_LOOP_UNROLL _Pragma("clang loop unroll(full)")

uint16_t bfloat16_to_uint16(bfloat16_t x);
bfloat16_t uint16_to_bfloat16(uint16_t x);

template <typename T>
struct complex_t {
  T real, imag;
  constexpr complex_t() : real(0), imag(0) {}
  constexpr complex_t(T re, T im) : real(re), imag(im) {}
  template <typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>>
  constexpr complex_t(U re) : real((T)re), imag(0) {}
  constexpr complex_t(const complex_t&) = default;
  constexpr complex_t(const constant complex_t& z) : real(z.real), imag(z.imag) {}
  complex_t& operator=(const complex_t&) = default;
  complex_t& operator=(const constant complex_t& z);
  template <typename U, typename = metal::enable_if_t<metal::is_arithmetic_v<U>>>
  constexpr operator U() const {
    return (U)real;
  }
};
typedef complex_t<float> complex64_t;
typedef complex_t<half> complex32_t;
#define MLX_COMPLEX(op)            \
  template <typename T>            \
  complex_t<T> operator op(complex_t<T> a, complex_t<T> b);
MLX_COMPLEX(+)
MLX_COMPLEX(-)
MLX_COMPLEX(*)
MLX_COMPLEX(/)
MLX_COMPLEX(%)
#undef MLX_COMPLEX
template <typename T>
complex_t<T> operator-(complex_t<T> z);
template <typename T>
bool operator==(complex_t<T> a, complex_t<T> b);
template <typename T>
bool operator<(complex_t<T> a, complex_t<T> b);
template <typename T>
bool operator>(complex_t<T> a, complex_t<T> b);

template <typename T>
struct Limits {
  static constexpr constant T max = T(0);
  static constexpr constant T min = T(0);
  static constexpr constant T finite_max = T(0);
  static constexpr constant T finite_min = T(0);
};

template <typename IdxT = int64_t>
IdxT elem_to_loc(IdxT element, const constant int* shape, const constant int64_t* strides, int ndim);
template <typename IdxT = int64_t>
IdxT elem_to_loc(uint3 element, const constant int* shape, const constant int64_t* strides, int ndim);
template <typename IdxT = int64_t>
IdxT elem_to_loc_1(uint element, const constant int64_t& stride);
template <typename IdxT = int64_t>
IdxT elem_to_loc_2(uint2 element, const constant int64_t strides[2]);
template <typename IdxT = int64_t>
IdxT elem_to_loc_3(uint3 element, const constant int64_t strides[3]);

template <typename T>
T ceildiv(T n, T m);
float log1p(float x);
bfloat16_t log1p(bfloat16_t x);
float erf(float x);
float erfinv(float x);
float expm1f(float x);
uint64_t simd_shuffle_down(uint64_t x, uint16_t delta);
int64_t simd_shuffle_down(int64_t x, uint16_t delta);
bool simd_shuffle_down(bool x, uint16_t delta);
complex64_t simd_shuffle_down(complex64_t x, uint16_t delta);
uint64_t simd_shuffle_up(uint64_t x, uint16_t delta);
int64_t simd_shuffle_up(int64_t x, uint16_t delta);
bool simd_shuffle_up(bool x, uint16_t delta);
