// The functions of simdgroups (simd_) and quads (quad_), of scalars, vectors and complex numbers.
#pragma once

#include "integer.h"

namespace msl {
constexpr uint whole = 0xffffffffu;

inline uint lane() {
  uint id;
  asm("mov.u32 %0, %%laneid;" : "=r"(id));
  return id & 31;
}

// x as `shuffle` moves 4 or 8 bytes of it.
template <typename T, typename F>
T shuffled(T x, F shuffle) {
  if constexpr (sizeof(T) <= 4) {
    using B = conditional<sizeof(T) == 4, uint, conditional<sizeof(T) == 2, ushort, uchar>>;
    return bits_as<T>((B)shuffle((uint)bits_as<B>(x)));
  } else {
    return bits_as<T>(shuffle(bits_as<unsigned long long>(x)));
  }
}

// x of lane `source` of the simdgroup; every lane in `active` calls it.
template <typename T>
T from_lane(T x, uint source, uint active) {
  return shuffled(x, [=](auto bits) { return __shfl_sync(active, bits, source); });
}

// f on each element of x.
template <typename T, typename F, typename... Rest>
auto each(F f, const T& x, const Rest&... rest) {
  if constexpr (is_vector<T>) {
    plain<T> r;
#pragma unroll
    for (int i = 0; i < size<T>; ++i) r[i] = f(at(x, i), at(rest, i)...);
    return r;
  } else {
    return f(x, rest...);
  }
}

// Lanes in clusters of Width: simdgroups (32) and quads (4). Lanes that do not run count as identity.
template <uint Width>
struct cluster {
  static uint index() { return lane() % Width; }
  static uint base() { return lane() / Width * Width; }
  static uint active() { return __activemask(); }

  template <typename T>
  static T gather(T x, uint source) { return from_lane(x, base() + source % Width, active()); }

  template <typename T, typename Op>
  static T reduce(T x, T identity, Op op) {
    const uint runs = active();
    if (runs == whole) {
#pragma unroll
      for (uint mask = 1; mask < Width; mask *= 2) x = op(x, from_lane(x, lane() ^ mask, whole));
      return x;
    }
    T total = identity;
#pragma unroll 1
    for (uint i = 0; i < Width; ++i) {
      const T other = from_lane(x, base() + i, runs);
      total = runs >> (base() + i) & 1 ? op(total, other) : total;
    }
    return total;
  }

  template <typename T, typename Op>
  static T scan(T x, T identity, Op op, bool inclusive) {
    const uint runs = active();
    if (runs == whole) {
      if (!inclusive) {
        const T before = from_lane(x, lane() - 1, whole);
        x = index() == 0 ? identity : before;
      }
#pragma unroll
      for (uint d = 1; d < Width; d *= 2) {
        const T before = from_lane(x, lane() - d, whole);
        x = index() >= d ? op(before, x) : x;
      }
      return x;
    }
    T total = identity;
#pragma unroll 1
    for (uint i = 0; i < Width; ++i) {
      const T other = from_lane(x, base() + i, runs);
      const bool counts = (runs >> (base() + i) & 1) && (inclusive ? i <= index() : i < index());
      total = counts ? op(total, other) : total;
    }
    return total;
  }

  // x of the lane `delta` before (up) or after (down); at the border x itself, or the end of `fill`.
  template <typename T>
  static T shift_up(T x, uint delta) {
    const uint runs = active(), by = delta < Width ? delta : 0;
    return shuffled(x, [=](auto bits) { return __shfl_up_sync(runs, bits, by, Width); });
  }
  template <typename T>
  static T shift_down(T x, uint delta) {
    const uint runs = active(), by = delta < Width ? delta : 0;
    return shuffled(x, [=](auto bits) { return __shfl_down_sync(runs, bits, by, Width); });
  }
  template <typename T>
  static T fill_up(T x, T fill, uint delta, uint modulo) {
    const T moved = gather(x, index() - delta), end = gather(fill, index() + modulo - delta);
    return index() % modulo >= delta ? moved : end;
  }
  template <typename T>
  static T fill_down(T x, T fill, uint delta, uint modulo) {
    const T moved = gather(x, index() + delta), end = gather(fill, index() + delta - modulo);
    return index() % modulo + delta < modulo ? moved : end;
  }

  static uint ballot(bool p) {
    const uint bits = __ballot_sync(active(), p);
    return Width == 32 ? bits : bits >> base() & ((1u << Width % 32) - 1);
  }
};

// E is the element, A what it is accumulated in.
template <typename A>
constexpr A top() {
  if constexpr (is_float<A>) {
    return cuda::std::numeric_limits<float>::infinity();
  } else {
    return top_of<A>;
  }
}
template <typename A>
constexpr A bottom() {
  if constexpr (is_float<A>) {
    return -cuda::std::numeric_limits<float>::infinity();
  } else {
    return bottom_of<A>;
  }
}
}  // namespace msl

namespace metal {
struct simd_vote {
  using vote_t = ulong;
  explicit simd_vote(vote_t v) : votes(v) {}
  explicit operator vote_t() const { return votes; }
  bool any() const { return votes != 0; }
  bool all() const { return votes == 0xffffffffu; }

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

#define MSL_JOIN(name, width, identity, joined)                                                  \
  template <typename T>                                                                          \
  auto name(const T& x) {                                                                        \
    return msl::each([](auto e) {                                                                \
      using E = decltype(e);                                                                     \
      using A = msl::wide<E>;                                                                    \
      return (E)msl::cluster<width>::reduce((A)e, (A)(identity), [](A a, A b) { return (A)(joined); }); \
    }, x);                                                                                       \
  }
#define MSL_SCAN(name, width, identity, joined, inclusive)                                       \
  template <typename T>                                                                          \
  auto name(const T& x) {                                                                        \
    return msl::each([](auto e) {                                                                \
      using E = decltype(e);                                                                     \
      using A = msl::wide<E>;                                                                    \
      return (E)msl::cluster<width>::scan((A)e, (A)(identity), [](A a, A b) { return (A)(joined); }, inclusive); \
    }, x);                                                                                       \
  }
#define MSL_MOVE(name, width, moved)                                                             \
  template <typename T>                                                                          \
  auto name(const T& x, ushort n) {                                                              \
    using lanes = msl::cluster<width>;                                                           \
    return msl::each([=](auto e) { return moved; }, x);                                          \
  }
#define MSL_FILL(name, width, shift)                                                             \
  template <typename T>                                                                          \
  auto name(const T& x, const T& fill, ushort delta, ushort modulo = width) {                    \
    return msl::each([=](auto e, auto f) { return msl::cluster<width>::shift(e, f, delta, modulo); }, x, fill); \
  }

// prefix: simd or quad; width: its lanes.
#define MSL_CLUSTER(prefix, width)                                                           \
  MSL_JOIN(prefix##_sum, width, 0, a + b)                                                    \
  MSL_JOIN(prefix##_product, width, 1, a * b)                                                \
  MSL_JOIN(prefix##_min, width, msl::top<A>(), b < a ? b : a)                                \
  MSL_JOIN(prefix##_max, width, msl::bottom<A>(), a < b ? b : a)                             \
  MSL_JOIN(prefix##_and, width, ~(A)0, a& b)                                                 \
  MSL_JOIN(prefix##_or, width, 0, a | b)                                                     \
  MSL_JOIN(prefix##_xor, width, 0, a ^ b)                                                    \
  MSL_SCAN(prefix##_prefix_inclusive_sum, width, 0, a + b, true)                             \
  MSL_SCAN(prefix##_prefix_exclusive_sum, width, 0, a + b, false)                            \
  MSL_SCAN(prefix##_prefix_inclusive_product, width, 1, a * b, true)                         \
  MSL_SCAN(prefix##_prefix_exclusive_product, width, 1, a * b, false)                        \
  MSL_MOVE(prefix##_shuffle, width, lanes::gather(e, n))                                     \
  MSL_MOVE(prefix##_shuffle_xor, width, lanes::gather(e, lanes::index() ^ n))                \
  MSL_MOVE(prefix##_shuffle_rotate_up, width, lanes::gather(e, lanes::index() - n))          \
  MSL_MOVE(prefix##_shuffle_rotate_down, width, lanes::gather(e, lanes::index() + n))        \
  MSL_MOVE(prefix##_shuffle_up, width, lanes::shift_up(e, n))                                \
  MSL_MOVE(prefix##_shuffle_down, width, lanes::shift_down(e, n))                            \
  MSL_MOVE(prefix##_broadcast, width, lanes::gather(e, n))                                   \
  MSL_FILL(prefix##_shuffle_and_fill_up, width, fill_up)                                     \
  MSL_FILL(prefix##_shuffle_and_fill_down, width, fill_down)                                 \
  inline bool prefix##_any(bool p) { return msl::cluster<width>::ballot(p) != 0; }           \
  inline bool prefix##_all(bool p) { return msl::cluster<width>::ballot(!p) == 0; }          \
  inline prefix##_vote prefix##_ballot(bool p) { return prefix##_vote(msl::cluster<width>::ballot(p)); } \
  inline prefix##_vote prefix##_active_threads_mask() { return prefix##_ballot(true); }      \
  inline ushort prefix##_first() { return (ushort)(__ffs(msl::cluster<width>::ballot(true)) - 1); } \
  inline bool prefix##_is_first() { return msl::cluster<width>::index() == prefix##_first(); } \
  inline bool prefix##_is_helper_thread() { return false; }                                  \
  template <typename T>                                                                      \
  auto prefix##_broadcast_first(const T& x) { return prefix##_broadcast(x, prefix##_first()); }
MSL_CLUSTER(simd, 32)
MSL_CLUSTER(quad, 4)
#undef MSL_JOIN
#undef MSL_SCAN
#undef MSL_MOVE
#undef MSL_FILL
#undef MSL_CLUSTER
}  // namespace metal
