// The integer library, in the type of the arguments' elements.
#pragma once

#include "math.h"

namespace msl {
template <typename E>
using unsigned_of = cuda::std::make_unsigned_t<E>;
template <typename E>
constexpr int bits_in = 8 * sizeof(E);
template <typename E>
constexpr bool is_negative_type = (E)-1 < (E)1;
template <typename E>
constexpr E top_of = cuda::std::numeric_limits<E>::max();
template <typename E>
constexpr E bottom_of = cuda::std::numeric_limits<E>::min();

// For an unsigned E `y < 0` is never true.
template <typename E>
E add_saturated(E x, E y) {
  const E r = (E)((unsigned_of<E>)x + (unsigned_of<E>)y);
  return y < 0 ? (r > x ? bottom_of<E> : r) : (r < x ? top_of<E> : r);
}
template <typename E>
E subtract_saturated(E x, E y) {
  const E r = (E)((unsigned_of<E>)x - (unsigned_of<E>)y);
  return y < 0 ? (r < x ? top_of<E> : r) : (r > x ? bottom_of<E> : r);
}
template <typename E>
E multiply_high(E x, E y) {
  if constexpr (sizeof(E) == 8) {
    return is_negative_type<E> ? (E)__mul64hi((long)x, (long)y) : (E)__umul64hi((ulong)x, (ulong)y);
  } else {
    using Wide = conditional<is_negative_type<E>, long, ulong>;
    return (E)((Wide)x * (Wide)y >> bits_in<E>);
  }
}
// Exactly, in 64 bits or in 128 held as (high, low).
template <typename E>
E multiply_add_saturated(E x, E y, E z) {
  constexpr bool negative = is_negative_type<E>;
  if constexpr (sizeof(E) < 8) {
    using Wide = conditional<negative, long, ulong>;
    const Wide sum = (Wide)x * (Wide)y + (Wide)z;
    return (E)(sum < (Wide)bottom_of<E> ? (Wide)bottom_of<E> : sum > (Wide)top_of<E> ? (Wide)top_of<E> : sum);
  } else {
    const ulong low = (ulong)x * (ulong)y, sum = low + (ulong)z;
    const E high = (E)(multiply_high(x, y) + (E)(sum < low) - (E)(negative && z < (E)0));
    const E fits = negative ? (E)((long)sum >> 63) : (E)0;
    return high == fits ? (E)sum : negative && high < (E)0 ? bottom_of<E> : top_of<E>;
  }
}
template <typename E>
E reverse(E x) {
  return (E)(__brevll((unsigned long long)(unsigned_of<E>)x) >> (64 - bits_in<E>));
}
template <typename E>
E leading_zeros(E x) {
  return (E)(__clzll((long long)(unsigned long long)(unsigned_of<E>)x) - (64 - bits_in<E>));
}
template <typename E>
E trailing_zeros(E x) {
  return x == 0 ? (E)bits_in<E> : (E)(__ffsll((long long)(unsigned long long)(unsigned_of<E>)x) - 1);
}
template <typename E>
E rotated(E x, E n) {
  using U = unsigned_of<E>;
  const int k = (int)n & (bits_in<E> - 1);
  return k == 0 ? x : (E)(U)((U)x << k | (U)x >> (bits_in<E> - k));
}
}  // namespace msl

namespace metal {
#define MSL_INTEGER_OWN_1(name, ...) MSL_INTEGER_FUNCTION(name, [](E x) { return (E)(__VA_ARGS__); })
#define MSL_INTEGER_OWN_2(name, ...) MSL_INTEGER_FUNCTION(name, [](E x, E y) { return (E)(__VA_ARGS__); })
#define MSL_INTEGER_OWN_3(name, ...) MSL_INTEGER_FUNCTION(name, [](E x, E y, E z) { return (E)(__VA_ARGS__); })
#define MSL_INTEGER_1(name, native, ...) MSL_INTEGER_OWN_1(name, __VA_ARGS__)
#define MSL_INTEGER_2(name, native, ...) MSL_INTEGER_OWN_2(name, __VA_ARGS__)
#define MSL_INTEGER_3(name, native, ...) MSL_INTEGER_OWN_3(name, __VA_ARGS__)
#include "../../library/integer.h"

// The field is moved to the top and back, so that signed types extend its sign.
template <typename A, msl::enable_if<msl::all_integers<A>, int> = 0>
msl::plain<A> extract_bits(const A& x, uint offset, uint bits) {
  using E = msl::element<A>;
  const int width = msl::bits_in<E>;
  const auto field = [=](E x) {
    return bits == 0 ? (E)0 : (E)((E)((msl::unsigned_of<E>)x << (width - bits - offset)) >> (width - bits));
  };
  return msl::map<msl::plain<A>, E>(field, x);
}
template <typename A, msl::enable_if<msl::all_integers<A>, int> = 0>
msl::plain<A> insert_bits(const A& base, const A& insert, uint offset, uint bits) {
  using E = msl::element<A>;
  const ulong mask = bits == 0 ? 0 : (~0ul >> (64 - bits)) << offset;
  const auto joined = [=](E x, E y) { return (E)(((ulong)x & ~mask) | ((ulong)y << offset & mask)); };
  return msl::map<msl::plain<A>, E>(joined, base, insert);
}
}  // namespace metal
