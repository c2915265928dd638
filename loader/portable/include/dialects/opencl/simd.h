// The functions of simdgroups (simd_) and quads (quad_), of scalars and vectors.
#pragma once

#include "lanes.h"

namespace msl {
struct add {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return (T)(a + b); }
};
struct multiply {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return (T)(a * b); }
};
struct lesser {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return b < a ? b : a; }
};
struct greater {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return a < b ? b : a; }
};
struct bit_and {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return (T)(a & b); }
};
struct bit_or {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return (T)(a | b); }
};
struct bit_xor {
  template <typename T>
  METAL_FUNC T operator()(T a, T b) const { return (T)(a ^ b); }
};

template <typename T>
METAL_FUNC constexpr T top() {
  return metal::is_floating_point_v<T> ? (T)__builtin_inff() : metal::numeric_limits<T>::max();
}
template <typename T>
METAL_FUNC constexpr T bottom() {
  return metal::is_floating_point_v<T> ? (T)(-__builtin_inff()) : metal::numeric_limits<T>::lowest();
}
}  // namespace msl

namespace metal {
struct simd_vote {
  using vote_t = ulong;
  explicit simd_vote(vote_t v) : votes(v) {}
  explicit operator vote_t() const { return votes; }
  bool any() const { return votes != 0; }
  bool all() const { return votes == (~0ul >> (64 - get_sub_group_size())); }

 private:
  vote_t votes;
};
struct quad_vote {
  using vote_t = uint;
  explicit quad_vote(vote_t v) : votes(v) {}
  explicit operator vote_t() const { return votes; }
  bool any() const { return votes != 0; }
  bool all() const { return votes == 15; }

 private:
  vote_t votes;
};

// E is the element, A what it is accumulated in. `decltype` would carry an address space into them.
#define MSL_JOIN(name, width, Op, identity)                                    \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x) {                                                     \
    using A = msl::accumulator_t<E>;                                           \
    return msl::each(x, [](E e) {                                              \
      return (E)msl::cluster<width>::reduce((A)e, (A)identity, Op());          \
    });                                                                        \
  }
#define MSL_SCAN(name, width, Op, identity, inclusive)                         \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x) {                                                     \
    using A = msl::accumulator_t<E>;                                           \
    return msl::each(x, [](E e) {                                              \
      return (E)msl::cluster<width>::scan((A)e, (A)identity, Op(), inclusive); \
    });                                                                        \
  }
#define MSL_MOVE(name, width, moved)                                           \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x, ushort n) {                                           \
    using lanes = msl::cluster<width>;                                         \
    return msl::each(x, [=](E e) { return moved; });                           \
  }
#define MSL_FILL(name, width, shift)                                           \
  template <typename T, typename E = msl::element<T>>                          \
  METAL_FUNC T name(T x, T fill, ushort delta, ushort modulo = width) {        \
    return msl::each(x, fill, [=](E e, E f) {                                  \
      return msl::cluster<width>::shift(e, f, delta, modulo);                  \
    });                                                                        \
  }

// prefix: simd or quad; width: its lanes.
#define MSL_CLUSTER(prefix, width)                                                           \
  MSL_JOIN(prefix##_sum, width, msl::add, 0)                                                 \
  MSL_JOIN(prefix##_product, width, msl::multiply, 1)                                        \
  MSL_JOIN(prefix##_min, width, msl::lesser, msl::top<A>())                                  \
  MSL_JOIN(prefix##_max, width, msl::greater, msl::bottom<A>())                              \
  MSL_JOIN(prefix##_and, width, msl::bit_and, ~(A)0)                                         \
  MSL_JOIN(prefix##_or, width, msl::bit_or, 0)                                               \
  MSL_JOIN(prefix##_xor, width, msl::bit_xor, 0)                                             \
  MSL_SCAN(prefix##_prefix_inclusive_sum, width, msl::add, 0, true)                          \
  MSL_SCAN(prefix##_prefix_exclusive_sum, width, msl::add, 0, false)                         \
  MSL_SCAN(prefix##_prefix_inclusive_product, width, msl::multiply, 1, true)                 \
  MSL_SCAN(prefix##_prefix_exclusive_product, width, msl::multiply, 1, false)                \
  MSL_MOVE(prefix##_shuffle, width, lanes::gather(e, n))                                     \
  MSL_MOVE(prefix##_shuffle_xor, width, msl::xor_lane(e, n % width))                         \
  MSL_MOVE(prefix##_shuffle_rotate_up, width, lanes::rotate(e, -(int)n))                     \
  MSL_MOVE(prefix##_shuffle_rotate_down, width, lanes::rotate(e, n))                         \
  MSL_MOVE(prefix##_shuffle_up, width, lanes::shift_up(e, n))                                \
  MSL_MOVE(prefix##_shuffle_down, width, lanes::shift_down(e, n))                            \
  MSL_FILL(prefix##_shuffle_and_fill_up, width, fill_up)                                     \
  MSL_FILL(prefix##_shuffle_and_fill_down, width, fill_down)                                 \
  METAL_FUNC bool prefix##_any(bool p) { return msl::cluster<width>::ballot(p) != 0; }                    \
  METAL_FUNC bool prefix##_all(bool p) { return msl::cluster<width>::ballot(!p) == 0; }                   \
  METAL_FUNC prefix##_vote prefix##_ballot(bool p) { return prefix##_vote(msl::cluster<width>::ballot(p)); } \
  METAL_FUNC prefix##_vote prefix##_active_threads_mask() { return prefix##_ballot(true); }               \
  METAL_FUNC ushort prefix##_first() { return (ushort)::ctz(msl::cluster<width>::ballot(true)); }         \
  METAL_FUNC bool prefix##_is_first() { return msl::cluster<width>::index() == prefix##_first(); }        \
  METAL_FUNC bool prefix##_is_helper_thread() { return false; }

MSL_CLUSTER(simd, 32)
MSL_CLUSTER(quad, 4)
#undef MSL_JOIN
#undef MSL_SCAN
#undef MSL_FILL
#undef MSL_CLUSTER

MSL_MOVE(simd_broadcast, 32, msl::broadcast_lane(e, n))
MSL_MOVE(quad_broadcast, 4, lanes::gather(e, n))
template <typename T>
METAL_FUNC T simd_broadcast_first(T x) { return simd_broadcast(x, simd_first()); }
template <typename T>
METAL_FUNC T quad_broadcast_first(T x) { return quad_broadcast(x, quad_first()); }
#undef MSL_MOVE

// Ours alone: functions for code that all lanes run, which do not make a masked variant of the kernel (see lanes.h). Metal
// has no such thing, so a shader asks whether __HAVE_SIMD_UNIFORM__ is defined.
#ifdef MSL_WHOLE
#define __HAVE_SIMD_UNIFORM__ 1
template <typename T>
METAL_FUNC T simd_sum_uniform(T x) {
#pragma clang loop unroll(full)
  for (uint mask = 1; mask < 32; mask *= 2) x += msl::xor_lane(x, mask);
  return x;
}
template <typename T>
METAL_FUNC T simd_broadcast_uniform(T x, ushort lane) {
  return msl::carrier<T>::unpack(sub_group_broadcast_first(msl::carrier<T>::pack(msl::xor_lane(x, lane))));
}
METAL_FUNC bool simd_all_uniform(bool condition) { return simd_sum_uniform((int)!condition) == 0; }
#endif
}  // namespace metal
