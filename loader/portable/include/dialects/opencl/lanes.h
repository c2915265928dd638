// How lanes exchange values: the building blocks of simd.h, quad.h and simdgroup_matrix.h.
// Rotations by constants and broadcasts cost 1 to 3 ns here, sub_group_shuffle 150: all is built from the
// former.
#pragma once

#include "integer.h"

namespace msl {
// Where all simdgroups are whole no function of sub-groups is called that may ask which lanes run: for those Intel's
// compiler makes a masked variant of the kernel, which takes it longer than the kernel itself.
#ifdef MSL_WHOLE
METAL_FUNC uint lane() { return get_local_id(0); }
#else
METAL_FUNC uint lane() { return get_sub_group_local_id(); }
#endif

// The same in code that all lanes run, where it folds to a constant a lane.
METAL_FUNC uint uniform_lane() {
#ifdef MSL_WHOLE
  const uint id = get_local_id(0);
  return id - sub_group_broadcast_first(id);
#else
  return lane();
#endif
}

// The lanes that run this statement, as bits; folds to a constant where control flow is uniform.
METAL_FUNC uint active_lanes() {
  return sub_group_ballot(1).x;
}
METAL_FUNC bool is_active() {
  return (active_lanes() >> lane()) & 1;
}

// How a value of type T travels: as a `type` that OpenCL's lane functions know.
template <typename T>
struct carrier {
  using type = T;
  static METAL_FUNC T pack(T x) { return x; }
  static METAL_FUNC T unpack(T x) { return x; }
};
template <typename T, typename Bits>
struct bit_carrier {
  using type = Bits;
  static METAL_FUNC Bits pack(T x) { return __builtin_bit_cast(Bits, x); }
  static METAL_FUNC T unpack(Bits x) { return __builtin_bit_cast(T, x); }
};
template <>
struct carrier<half> : bit_carrier<half, ushort> {};
template <>
struct carrier<bfloat> : bit_carrier<bfloat, ushort> {};
template <>
struct carrier<bool> {
  using type = uint;
  static METAL_FUNC uint pack(bool x) { return x; }
  static METAL_FUNC bool unpack(uint x) { return x != 0; }
};

// f on each element of x.
template <typename T, typename F>
METAL_FUNC T each(T x, F f) {
  if constexpr (shape<T>::size > 1) {
#pragma clang loop unroll(full)
    for (int i = 0; i < shape<T>::size; ++i)
      x[i] = f((element<T>)x[i]);
    return x;
  } else {
    return f(x);
  }
}
template <typename T, typename F>
METAL_FUNC T each(T x, T y, F f) {
  if constexpr (shape<T>::size > 1) {
#pragma clang loop unroll(full)
    for (int i = 0; i < shape<T>::size; ++i)
      x[i] = f((element<T>)x[i], (element<T>)y[i]);
    return x;
  } else {
    return f(x, y);
  }
}

// x. A simdgroup that may be partial runs the masked variant of the kernel, which Intel's compiler makes where
// something asks for the lane; of rotations alone it makes a scalar one, and gives up.
template <typename T>
METAL_FUNC T masked(T x) {
#ifndef MSL_WHOLE
  x = lane() < 32 ? x : T();
#endif
  return x;
}

// x of lane `lane() ^ mask`.
template <typename T>
METAL_FUNC T xor_lane(T x, uint mask) {
  typename carrier<T>::type c = masked(carrier<T>::pack(x));
  if (mask & 1)
    c = sub_group_clustered_rotate(c, 1, 2);
  if (mask & 2)
    c = sub_group_clustered_rotate(c, 2, 4);
  if (mask & 4)
    c = sub_group_clustered_rotate(c, 4, 8);
  if (mask & 8)
    c = sub_group_clustered_rotate(c, 8, 16);
  if (mask & 16)
    c = sub_group_clustered_rotate(c, 16, 32);
  return carrier<T>::unpack(c);
}

// x of lane `source`, the same in all lanes.
template <typename T>
METAL_FUNC T broadcast_lane(T x, uint source) {
  return carrier<T>::unpack(sub_group_broadcast(carrier<T>::pack(x), source));
}

// Lanes in clusters of Width: simdgroups (32) and quads (4).
template <uint Width>
struct cluster {
  static METAL_FUNC uint index() { return lane() % Width; }

  // x of lane `source` of the cluster, a value of each lane's own.
  template <typename T>
  static METAL_FUNC T gather(T x, uint source) {
    T r = x;
#pragma clang loop unroll(full)
    for (uint i = 0; i < Width; ++i) {
      if constexpr (Width == 32) {
        T y = broadcast_lane(x, i);
        r = source % Width == i ? y : r;
      } else {
        T y = xor_lane(x, i);
        r = (source ^ lane()) % Width == i ? y : r;
      }
    }
    return r;
  }

  // x of lane `source`, the same in all lanes.
  template <typename T>
  static METAL_FUNC T broadcast(T x, uint source) {
    if constexpr (Width == 32) {
      return broadcast_lane(x, source);
    } else {
      return gather(x, source);
    }
  }
  template <typename T>
  static METAL_FUNC T exchange(T x, uint mask) { return xor_lane(x, mask % Width); }

  // x of the lane `delta` further, around the end.
  template <typename T>
  static METAL_FUNC T rotate(T x, int delta) {
    if constexpr (Width == 32) {
      return carrier<T>::unpack(sub_group_rotate(masked(carrier<T>::pack(x)), delta));
    } else {
      return gather(x, index() + (uint)delta);
    }
  }

  // All lanes' values joined by `op`; lanes that do not run count as `identity`.
  template <typename T, typename Op>
  static METAL_FUNC T reduce(T x, T identity, Op op) {
    x = is_active() ? x : identity;
#pragma clang loop unroll(full)
    for (uint mask = 1; mask < Width; mask *= 2)
      x = op(x, xor_lane(x, mask));
    return x;
  }

  template <typename T, typename Op>
  static METAL_FUNC T scan(T x, T identity, Op op, bool inclusive) {
    x = is_active() ? x : identity;
    if (!inclusive) {
      T before = rotate(x, -1);
      x = index() == 0 ? identity : before;
    }
#pragma clang loop unroll(full)
    for (uint d = 1; d < Width; d *= 2) {
      T before = rotate(x, -(int)d);
      x = op(x, index() >= d ? before : identity);
    }
    return x;
  }

  // x of the lane `delta` before (up) or after (down); at the border x itself, or the end of `fill`.
  template <typename T>
  static METAL_FUNC T shift_up(T x, uint delta) {
    T moved = rotate(x, -(int)delta);
    return index() >= delta ? moved : x;
  }
  template <typename T>
  static METAL_FUNC T shift_down(T x, uint delta) {
    T moved = rotate(x, (int)delta);
    return index() + delta < Width ? moved : x;
  }
  template <typename T>
  static METAL_FUNC T fill_up(T x, T fill, uint delta, uint modulo) {
    T moved = rotate(x, -(int)delta), end = rotate(fill, (int)(modulo - delta));
    return index() % modulo >= delta ? moved : end;
  }
  template <typename T>
  static METAL_FUNC T fill_down(T x, T fill, uint delta, uint modulo) {
    T moved = rotate(x, (int)delta), end = rotate(fill, (int)(delta - modulo));
    return index() % modulo + delta < modulo ? moved : end;
  }

  static METAL_FUNC uint ballot(bool p) {
    uint bits = sub_group_ballot((int)p).x;
    return Width == 32 ? bits : (bits >> (lane() / Width * Width)) & ((1u << Width % 32) - 1);
  }
};

// What sums and products are accumulated in.
template <typename T>
struct accumulator {
  using type = T;
};
template <>
struct accumulator<half> {
  using type = float;
};
template <>
struct accumulator<bfloat> {
  using type = float;
};
template <typename T>
using accumulator_t = typename accumulator<T>::type;
}  // namespace msl
