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

/// One bit a thread of the simdgroup.
struct simd_vote {
  using vote_t = ulong;
  explicit simd_vote(vote_t votes);
  explicit operator vote_t() const;
  bool all() const;
  bool any() const;
};
struct quad_vote {
  using vote_t = uint;
  explicit quad_vote(vote_t votes);
  explicit operator vote_t() const;
  bool all() const;
  bool any() const;
};

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
/// The bitwise and of x over the active threads of the simdgroup.
template <typename T>
simd_bits<T> simd_and(T x);
/// The bitwise or of x over the active threads of the simdgroup.
template <typename T>
simd_bits<T> simd_or(T x);
/// The bitwise exclusive or of x over the active threads of the simdgroup.
template <typename T>
simd_bits<T> simd_xor(T x);
/// The sum of x over the threads up to and including this one.
template <typename T>
simd_value<T> simd_prefix_inclusive_sum(T x);
/// The sum of x over the threads before this one.
template <typename T>
simd_value<T> simd_prefix_exclusive_sum(T x);
/// The product of x over the threads up to and including this one.
template <typename T>
simd_value<T> simd_prefix_inclusive_product(T x);
/// The product of x over the threads before this one.
template <typename T>
simd_value<T> simd_prefix_exclusive_product(T x);
/// The x of the thread `lane`, the same lane in every thread.
template <typename T>
simd_value<T> simd_broadcast(T x, ushort lane);
/// The x of the first active thread.
template <typename T>
simd_value<T> simd_broadcast_first(T x);
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
/// As simd_shuffle_up, going round at the end.
template <typename T>
simd_value<T> simd_shuffle_rotate_up(T x, ushort delta);
/// As simd_shuffle_down, going round at the end.
template <typename T>
simd_value<T> simd_shuffle_rotate_down(T x, ushort delta);
/// As simd_shuffle_up; the lowest threads get `filling` of the top ones.
template <typename T>
simd_value<T> simd_shuffle_and_fill_up(T x, T filling, ushort delta, ushort modulo = 32);
/// As simd_shuffle_down; the highest threads get `filling` of the low ones.
template <typename T>
simd_value<T> simd_shuffle_and_fill_down(T x, T filling, ushort delta, ushort modulo = 32);
/// Whether the condition holds in every active thread of the simdgroup.
bool simd_all(bool condition);
/// Whether the condition holds in some active thread of the simdgroup.
bool simd_any(bool condition);
/// The threads of the simdgroup where the condition holds.
simd_vote simd_ballot(bool condition);
/// The threads of the simdgroup that run here.
simd_vote simd_active_threads_mask();
/// Whether this is the first active thread of the simdgroup.
bool simd_is_first();
bool simd_is_helper_thread();

template <typename T>
simd_value<T> quad_sum(T x);
template <typename T>
simd_value<T> quad_product(T x);
template <typename T>
simd_value<T> quad_max(T x);
template <typename T>
simd_value<T> quad_min(T x);
template <typename T>
simd_bits<T> quad_and(T x);
template <typename T>
simd_bits<T> quad_or(T x);
template <typename T>
simd_bits<T> quad_xor(T x);
template <typename T>
simd_value<T> quad_prefix_inclusive_sum(T x);
template <typename T>
simd_value<T> quad_prefix_exclusive_sum(T x);
template <typename T>
simd_value<T> quad_prefix_inclusive_product(T x);
template <typename T>
simd_value<T> quad_prefix_exclusive_product(T x);
template <typename T>
simd_value<T> quad_broadcast(T x, ushort lane);
template <typename T>
simd_value<T> quad_broadcast_first(T x);
template <typename T>
simd_value<T> quad_shuffle(T x, ushort lane);
template <typename T>
simd_value<T> quad_shuffle_up(T x, ushort delta);
template <typename T>
simd_value<T> quad_shuffle_down(T x, ushort delta);
template <typename T>
simd_value<T> quad_shuffle_xor(T x, ushort mask);
template <typename T>
simd_value<T> quad_shuffle_rotate_up(T x, ushort delta);
template <typename T>
simd_value<T> quad_shuffle_rotate_down(T x, ushort delta);
template <typename T>
simd_value<T> quad_shuffle_and_fill_up(T x, T filling, ushort delta, ushort modulo = 4);
template <typename T>
simd_value<T> quad_shuffle_and_fill_down(T x, T filling, ushort delta, ushort modulo = 4);
bool quad_all(bool condition);
bool quad_any(bool condition);
quad_vote quad_ballot(bool condition);
quad_vote quad_active_threads_mask();
bool quad_is_first();
bool quad_is_helper_thread();
}  // namespace metal
