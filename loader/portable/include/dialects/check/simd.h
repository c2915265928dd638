// <metal_simdgroup> and <metal_quadgroup>. Metal has them for numbers of at most 32 bits, and vectors of those.
#pragma once

#include "traits.h"

namespace metal {
/// T, where simdgroup functions take it: numbers of at most 32 bits and vectors of them, not bool and not 64 bits.
template <typename T>
using simd_value = enable_if_t<is_arithmetic_v<element_t<T>> && !is_same_v<T, bool> && sizeof(element_t<T>) <= 4, T>;
/// T, where simdgroup functions that work on bits take it: integers of at most 32 bits.
template <typename T>
using simd_bits = enable_if_t<is_integral_v<element_t<T>> && !is_same_v<T, bool> && sizeof(element_t<T>) <= 4, T>;
}  // namespace metal

namespace msl {
ulong every_lane(uint width);
uint lowest_bit(uint bits);
template <uint Width>
struct cluster {
  static uint index();
  static uint ballot(bool p);
};
}  // namespace msl

#define MSL_JOIN(name, ...) \
  template <typename T>     \
  simd_value<T> name(T x);
#define MSL_JOIN_BITS(name, ...) \
  template <typename T>          \
  simd_bits<T> name(T x);
#define MSL_SCAN MSL_JOIN
#define MSL_MOVE(name, ...) \
  template <typename T>     \
  simd_value<T> name(T x, ushort n);
#define MSL_FILL(name, width, ...) \
  template <typename T>            \
  simd_value<T> name(T x, T filling, ushort delta, ushort modulo = width);
#include "../../library/simd.h"

// Those that an author looks up, once more with what they do: the editor shows it.
namespace metal {
/// The sum of x over the active threads of the simdgroup; every one of them gets it.
template <typename T>
simd_value<T> simd_sum(T x);
/// The product of x over the active threads of the simdgroup; every one of them gets it.
template <typename T>
simd_value<T> simd_product(T x);
/// The largest x of the active threads of the simdgroup; every one of them gets it.
template <typename T>
simd_value<T> simd_max(T x);
/// The smallest x of the active threads of the simdgroup; every one of them gets it.
template <typename T>
simd_value<T> simd_min(T x);
/// The sum of x over the threads up to and including this one.
template <typename T>
simd_value<T> simd_prefix_inclusive_sum(T x);
/// The sum of x over the threads before this one.
template <typename T>
simd_value<T> simd_prefix_exclusive_sum(T x);
/// The x of the thread `lane`, the same lane in every thread.
template <typename T>
simd_value<T> simd_broadcast(T x, ushort lane);
/// The x of the first active thread.
template <typename T>
auto simd_broadcast_first(T x) -> decltype(simd_broadcast(x, 0));
/// The x of the thread `lane`, which may differ from thread to thread.
template <typename T>
simd_value<T> simd_shuffle(T x, ushort lane);
/// The x of the thread `delta` lanes below; the lowest threads keep their own.
template <typename T>
simd_value<T> simd_shuffle_up(T x, ushort delta);
/// The x of the thread `delta` lanes above; the highest threads keep their own.
template <typename T>
simd_value<T> simd_shuffle_down(T x, ushort delta);
/// The x of the thread whose lane is this one's, exclusive-or `mask`.
template <typename T>
simd_value<T> simd_shuffle_xor(T x, ushort mask);
}  // namespace metal
