// Scalar types. half and bfloat are classes that compute in float and round once, as Metal's types do.
#pragma once

#include "traits.h"

namespace msl {
struct half_format {
  static unsigned short encode(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
  }
  static float decode(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
  }
};
struct bfloat_format {
  static unsigned short encode(float x) {
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
  }
  static float decode(unsigned short bits) { return __uint_as_float((unsigned)bits << 16); }
};

template <typename Format>
struct small_float {
  unsigned short bits;

  small_float() = default;
  template <typename T, typename = enable_if<is_number<T>>>
  small_float(T x) : bits(Format::encode((float)x)) {}
  template <typename Other>
  explicit small_float(small_float<Other> x) : small_float((float)x) {}
  static constexpr small_float of_bits(unsigned short bits) { return small_float(bits, 0); }

  operator float() const { return Format::decode(bits); }
  constexpr small_float operator-() const { return of_bits(bits ^ 0x8000); }
  small_float operator+() const { return *this; }
  small_float& operator++() { return *this = small_float((float)*this + 1.0f); }
  small_float& operator--() { return *this = small_float((float)*this - 1.0f); }
  template <typename T>
  small_float& operator+=(T x) { return *this = small_float((float)*this + (float)x); }
  template <typename T>
  small_float& operator-=(T x) { return *this = small_float((float)*this - (float)x); }
  template <typename T>
  small_float& operator*=(T x) { return *this = small_float((float)*this * (float)x); }
  template <typename T>
  small_float& operator/=(T x) { return *this = small_float((float)*this / (float)x); }

 private:
  constexpr small_float(unsigned short raw, int) : bits(raw) {}
};

// A small float beside a float is a float, beside an integer it stays what it is.
template <typename F, typename T>
using mixed = conditional<is_same<T, float> || is_same<T, double>, float, small_float<F>>;

#define MSL_ARITHMETIC(op)                                                             \
  template <typename F>                                                                \
  small_float<F> operator op(small_float<F> a, small_float<F> b) {                     \
    return (float)a op (float)b;                                                       \
  }                                                                                    \
  template <typename F, typename T, typename = enable_if<is_number<T>>>                \
  mixed<F, T> operator op(small_float<F> a, T b) {                                     \
    return (float)a op (float)(mixed<F, T>)b;                                          \
  }                                                                                    \
  template <typename F, typename T, typename = enable_if<is_number<T>>>                \
  mixed<F, T> operator op(T a, small_float<F> b) {                                     \
    return (float)(mixed<F, T>)a op (float)b;                                          \
  }
#define MSL_COMPARISON(op)                                                             \
  template <typename F>                                                                \
  bool operator op(small_float<F> a, small_float<F> b) {                               \
    return (float)a op (float)b;                                                       \
  }                                                                                    \
  template <typename F, typename T, typename = enable_if<is_number<T>>>                \
  bool operator op(small_float<F> a, T b) {                                            \
    return (float)a op (float)b;                                                       \
  }                                                                                    \
  template <typename F, typename T, typename = enable_if<is_number<T>>>                \
  bool operator op(T a, small_float<F> b) {                                            \
    return (float)a op (float)b;                                                       \
  }
MSL_ARITHMETIC(+)
MSL_ARITHMETIC(-)
MSL_ARITHMETIC(*)
MSL_ARITHMETIC(/)
MSL_COMPARISON(==)
MSL_COMPARISON(!=)
MSL_COMPARISON(<)
MSL_COMPARISON(<=)
MSL_COMPARISON(>)
MSL_COMPARISON(>=)
#undef MSL_ARITHMETIC
#undef MSL_COMPARISON
}  // namespace msl

namespace metal {
using uchar = unsigned char;
using ushort = unsigned short;
using uint = unsigned int;
using ulong = unsigned long;
using int8_t = char;
using uint8_t = uchar;
using int16_t = short;
using uint16_t = ushort;
using int32_t = int;
using uint32_t = uint;
using int64_t = long;
using uint64_t = ulong;
using size_t = ulong;
using ptrdiff_t = long;
using half = msl::small_float<msl::half_format>;
using bfloat = msl::small_float<msl::bfloat_format>;
}  // namespace metal

namespace msl {
using metal::bfloat;
using metal::half;
using metal::uchar;
using metal::uint;
using metal::ulong;
using metal::ushort;

template <typename T>
constexpr bool is_small = is_same<T, half> || is_same<T, bfloat>;
template <typename T>
constexpr bool is_float = is_same<T, float> || is_same<T, double> || is_small<T>;
template <typename T>
constexpr bool is_scalar = is_number<T> || is_small<T>;
template <typename T>
constexpr bool is_integer = is_number<T> && !is_float<T>;

// The bits of x as a T of the same size.
template <typename T, typename U>
T bits_as(const U& x) {
  static_assert(sizeof(T) == sizeof(U), "as_type keeps the bits: both types must have the same size.");
  T r;
  memcpy(&r, &x, sizeof(T));
  return r;
}
}  // namespace msl
