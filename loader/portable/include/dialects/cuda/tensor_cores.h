// Tensor cores: lane l holds two neighbours of a row, from column 2 * (l % 4) on; of a left operand
// and of sums that of row_of(l / 4), of a right operand, which mma.sync wants transposed, that of row l / 4.
//
// The tensor core takes row l / 4 of the former too, but does not mind which one that is. Even rows first: then 16 lanes,
// which threadgroup memory serves at once, meet different banks where rows are 4 banks apart. The inner index is summed
// over, so both operands may count it as 0, 2, 4, 6, 1, 3, 5, 7, and a lane's two elements fit.
#pragma once

#include "simd.h"

namespace msl {
struct fragment {
  float first, second;
};
template <typename T>
struct alignas(2 * sizeof(T)) neighbours {
  T first, second;
};
inline int row_of(int place) { return place % 4 * 2 + place / 4; }
inline int place_of(int row) { return row % 2 * 4 + row / 2; }
inline int fragment_row() { return row_of((int)lane() / 4); }
inline int fragment_row_across() { return (int)lane() / 4; }
inline int fragment_column() { return (int)lane() % 4 * 2; }

// An offset of which the compiler knows nothing: it would add constants to what it knows as bits, one by one.
inline int opaque(int offset) {
  asm("" : "+r"(offset));
  return offset;
}

// Whether x is true in every lane. A compiler that can, from NVRTC 13.5 on, answers itself where it knows x.
inline bool everywhere(bool x) {
#if __has_builtin(__builtin_constant_p)
  if (__builtin_constant_p(x)) return x;
#endif
  return __all_sync(whole, x);
}

// The 8x8 transpose of one 16-bit element in each half of a lane's register.
inline uint transpose_halves(uint x) {
  uint r;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x));
  return r;
}
// Matrices of 16-bit elements from threadgroup memory, 8 lanes' addresses for the rows of each.
template <bool TRANSPOSED, int N, typename T>
void load_matrices(uint (&r)[N], const T* row) {
  const uint at = (uint)__cvta_generic_to_shared(row);
#define MSL_LOAD(n, trans, registers, ...) \
  asm volatile("ldmatrix.sync.aligned.m8n8.x" #n trans ".shared.b16 {" registers "}, [%" #n "];" : __VA_ARGS__ : "r"(at))
  if constexpr (N == 4 && TRANSPOSED) {
    MSL_LOAD(4, ".trans", "%0, %1, %2, %3", "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]));
  } else if constexpr (N == 4) {
    MSL_LOAD(4, "", "%0, %1, %2, %3", "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]));
  } else if constexpr (N == 2 && TRANSPOSED) {
    MSL_LOAD(2, ".trans", "%0, %1", "=r"(r[0]), "=r"(r[1]));
  } else if constexpr (N == 2) {
    MSL_LOAD(2, "", "%0, %1", "=r"(r[0]), "=r"(r[1]));
  } else if constexpr (TRANSPOSED) {
    MSL_LOAD(1, ".trans", "%0", "=r"(r[0]));
  } else {
    MSL_LOAD(1, "", "%0", "=r"(r[0]));
  }
#undef MSL_LOAD
}
// What a left operand holds, as a right one.
template <typename T>
metal::vec<T, 2> transposed(metal::vec<T, 2> e) {
  const int from = place_of(fragment_row_across()) * 4 + (int)lane() % 4;
  if constexpr (sizeof(T) == 2) {
    return bits_as<metal::vec<T, 2>>(transpose_halves(__shfl_sync(~0u, bits_as<uint>(e), from)));
  } else {
    const uint a = __shfl_sync(~0u, bits_as<uint>(e[0]), from), b = __shfl_sync(~0u, bits_as<uint>(e[1]), from);
    const uint low = transpose_halves(__byte_perm(a, b, 0x5410)), high = transpose_halves(__byte_perm(a, b, 0x7632));
    metal::vec<T, 2> r;
    r[0] = bits_as<T>(__byte_perm(low, high, 0x5410));
    r[1] = bits_as<T>(__byte_perm(low, high, 0x7632));
    return r;
  }
}

// Both elements as D; those of bfloat are the upper halves of floats.
template <typename D, typename T>
metal::vec<D, 2> converted(metal::vec<T, 2> e) {
  if constexpr (metal::is_same_v<T, D>) {
    return e;
  } else if constexpr (metal::is_same_v<T, bfloat> && metal::is_same_v<D, float>) {
    const uint bits = bits_as<uint>(e);
    return metal::vec<D, 2>(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
  }
  return metal::vec<D, 2>((D)e[0], (D)e[1]);
}

// x rounded to TF32's 11 digits; x - high is exact and has few enough digits itself.
inline float high_part(float x) { return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u); }

// d += a b, a of 16x8.
inline void multiply_tf32(float (&d)[4], const float (&a)[4], const float (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
}

// c + a b to float's precision: a's high parts fill the upper 8 rows of 16 and its low parts the lower 8.
inline fragment multiply_add(fragment a, fragment b, fragment c) {
  const float a_high[2] = {high_part(a.first), high_part(a.second)};
  const float b_high[2] = {high_part(b.first), high_part(b.second)};
  const float b_low[2] = {b.first - b_high[0], b.second - b_high[1]};
  const float both[4] = {a_high[0], a.first - a_high[0], a_high[1], a.second - a_high[1]};
  float d[4] = {c.first, c.second, 0.0f, 0.0f};
  multiply_tf32(d, both, b_low);
  multiply_tf32(d, both, b_high);
  return {d[0] + d[2], d[1] + d[3]};
}
// The same for two left matrices, which fill the 16 rows. What half or bfloat can hold has no low part.
template <typename A, typename B>
void multiply_add_pair(fragment& c0, fragment& c1, fragment a0, fragment a1, fragment b) {
  float high[4] = {a0.first, a1.first, a0.second, a1.second};
  float b_high[2] = {b.first, b.second};
  float d[4] = {c0.first, c0.second, c1.first, c1.second};
  if constexpr (sizeof(B) != 2) {
    for (float& x : b_high) x = high_part(x);
  }
  if constexpr (sizeof(A) != 2) {
    for (float& x : high) x = high_part(x);
    const float low[4] = {a0.first - high[0], a1.first - high[1], a0.second - high[2], a1.second - high[3]};
    multiply_tf32(d, low, b_high);
  }
  if constexpr (sizeof(B) != 2) {
    const float b_low[2] = {b.first - b_high[0], b.second - b_high[1]};
    multiply_tf32(d, high, b_low);
  }
  multiply_tf32(d, high, b_high);
  c0 = {d[0], d[1]};
  c1 = {d[2], d[3]};
}
// d += a b of 16-bit numbers, without a loss, a of 16x8 or 16x16.
template <typename T, int N>
void multiply_small(float (&d)[4], const uint (&a)[2 * N], const uint (&b)[N]) {
#define MSL_MULTIPLY(k, type, left, right, ...)                                                     \
  asm volatile("mma.sync.aligned.m16n8k" #k ".row.col.f32." type "." type ".f32 {%0, %1, %2, %3}, " \
      "{" left "}, {" right "}, {%0, %1, %2, %3};"                                                  \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : __VA_ARGS__)
#define MSL_MULTIPLY_ONE(type) MSL_MULTIPLY(8, type, "%4, %5", "%6", "r"(a[0]), "r"(a[1]), "r"(b[0]))
#define MSL_MULTIPLY_TWO(type) \
  MSL_MULTIPLY(16, type, "%4, %5, %6, %7", "%8, %9", "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
  if constexpr (N == 1 && is_same<T, half>) {
    MSL_MULTIPLY_ONE("f16");
  } else if constexpr (N == 1) {
    MSL_MULTIPLY_ONE("bf16");
  } else if constexpr (is_same<T, half>) {
    MSL_MULTIPLY_TWO("f16");
  } else {
    MSL_MULTIPLY_TWO("bf16");
  }
#undef MSL_MULTIPLY_ONE
#undef MSL_MULTIPLY_TWO
#undef MSL_MULTIPLY
}

// A float is the sum of three bfloats. D takes as many of these or, of 16 bits, is T itself.
template <typename D>
constexpr int parts_of = sizeof(D) == 2 ? 1 : 3;
template <typename T, int PARTS, int N, typename D>
void take_parts(uint (&parts)[PARTS][N], int i, metal::vec<D, 2> x) {
  if constexpr (PARTS == 1) {
    parts[0][i] = bits_as<uint>(converted<T>(x));
  } else {
    metal::float2 rest = converted<float>(x);
    for (int p = 0; p < PARTS; ++p) {
      const auto part = converted<T>(rest);
      rest = rest - converted<float>(part);
      parts[p][i] = bits_as<uint>(part);
    }
  }
}
}  // namespace msl
