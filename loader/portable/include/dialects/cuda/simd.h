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

  template <typename T>
  static T broadcast(T x, uint source) { return gather(x, source); }
  template <typename T>
  static T exchange(T x, uint mask) { return gather(x, index() ^ mask); }
  template <typename T>
  static T rotate(T x, int delta) { return gather(x, index() + (uint)delta); }

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

inline ulong every_lane(uint width) { return width == 4 ? 15 : whole; }
inline uint lowest_bit(uint bits) { return (uint)__ffs(bits) - 1; }
}  // namespace msl

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
#define MSL_JOIN_BITS MSL_JOIN
#include "../../library/simd.h"
