// simdgroup_matrix on tensor cores: lane l holds two neighbours of a row, from column 2 * (l % 4) on; of a left operand
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

namespace metal {
template <typename T, int Columns = 8, int Rows = 8>
struct simdgroup_matrix {
  static_assert(Columns == 8 && Rows == 8 && is_floating_point_v<T>, "Metal has 8x8 matrices of float, half and bfloat.");
  using pair = vec<T, 2>;

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    elements = diagonal_of(diagonal, msl::fragment_row());
    across = diagonal_of(diagonal, msl::fragment_row_across());
    has_across = true;
  }
  static simdgroup_matrix filled(T value) { return of(value, value); }
  static simdgroup_matrix of(pair own) {
    simdgroup_matrix m;
    m.elements = own;
    return m;
  }
  static simdgroup_matrix of(pair own, pair transposed, bool known = true) {
    simdgroup_matrix m = of(own);
    m.across = transposed;
    m.has_across = known;
    return m;
  }
  // Of 16-bit elements those of row l / 4, which are turned when a product asks for them.
  static simdgroup_matrix of_row(pair own, pair row) {
    simdgroup_matrix m = of(own, row);
    m.turns = true;
    return m;
  }

  // What the caller changes through the reference, `across` does not follow; nor does that of lanes that do not call.
  pair& thread_elements() {
    has_across = false;
    return elements;
  }
  const pair& thread_elements() const { return elements; }
  pair own() const { return elements; }
  // This lane's elements of a right operand.
  pair transposed() const { return msl::everywhere(has_across) ? turned() : msl::transposed(elements); }
  // The same where all lanes have called thread_elements() or none has: what a shader must see to.
  pair transposed_alike() const { return has_across ? turned() : msl::transposed(elements); }
  // What a right operand is made of, as it was loaded.
  pair loaded() const { return across; }
  // The same matrix of D, with all that was loaded of it.
  template <typename D>
  simdgroup_matrix<D> as() const {
    return simdgroup_matrix<D>::of(msl::converted<D>(elements), msl::converted<D>(turned()), has_across);
  }

 private:
  pair turned() const {
    if constexpr (sizeof(T) == 2) {
      if (turns) return msl::bits_as<pair>(msl::transpose_halves(msl::bits_as<uint>(across)));
    }
    return across;
  }
  // A lane's elements of `row` of a diagonal matrix.
  static pair diagonal_of(T diagonal, int row) {
    const int column = msl::fragment_column();
    return pair(row == column ? diagonal : (T)0.0f, row == column + 1 ? diagonal : (T)0.0f);
  }

  pair elements;
  // Loaded along with `elements`, and dropped by the compiler where no product asks for it.
  pair across;
  bool has_across = false;
  bool turns = false;
};
}  // namespace metal

#include "../../library/simdgroup_matrix.h"

namespace metal {
template <typename T, typename Pointer>
void simdgroup_load(
    simdgroup_matrix<T>& d, Pointer source, ulong elements_per_row = 8, ulong2 origin = 0, bool transposed = false) {
  const auto p = source + (origin.y * elements_per_row + origin.x);
  const int column = msl::fragment_column(), stride = (int)elements_per_row;
  const int own = msl::fragment_row(), other = msl::fragment_row_across();
  const auto along = [&](int row) {
    const auto first = p + msl::opaque(row * stride + column);
    return vec<T, 2>(first[0], first[1]);
  };
  const auto across = [&](int row) {
    const auto first = p + msl::opaque(column * stride + row);
    return vec<T, 2>(first[0], first[stride]);
  };
  d = transposed ? simdgroup_matrix<T>::of(across(own), along(other)) : simdgroup_matrix<T>::of(along(own), across(other));
}
template <typename T, typename Pointer>
void simdgroup_store(
    const simdgroup_matrix<T>& a,
    Pointer destination,
    ulong elements_per_row = 8,
    ulong2 origin = 0,
    bool transposed = false) {
  const auto p = destination + (origin.y * elements_per_row + origin.x);
  const int row = msl::fragment_row(), column = msl::fragment_column(), stride = (int)elements_per_row;
  const auto first = p + msl::opaque(transposed ? column * stride + row : row * stride + column);
  first[0] = a.own()[0];
  first[transposed ? stride : 1] = a.own()[1];
}

// Ours alone: a matrix from 64 numbers, `at` numbers behind `blocks`, a multiple of two, so that pairs move as one. A
// lane's own place comes first: what is constant of `at` then is part of the instruction.
#define __HAVE_SIMDGROUP_BLOCKS__ 1
template <bool TRANSPOSED, typename T, typename Pointer>
void simdgroup_load_block(simdgroup_matrix<T>& d, Pointer blocks, int at) {
  const int column = msl::fragment_column(), own = msl::fragment_row(), other = msl::fragment_row_across();
  const auto along = [&](int row) {
    const auto pair = *(const msl::neighbours<T>*)(blocks + msl::opaque(row * 8 + column) + at);
    return vec<T, 2>(pair.first, pair.second);
  };
  const auto across = [&](int row) {
    const auto first = blocks + msl::opaque(column * 8 + row) + at;
    return vec<T, 2>(first[0], first[8]);
  };
  if constexpr (!TRANSPOSED && sizeof(T) == 2) {
    d = simdgroup_matrix<T>::of_row(along(own), along(other));
    return;
  }
  d = TRANSPOSED ? simdgroup_matrix<T>::of(across(own), along(other)) : simdgroup_matrix<T>::of(along(own), across(other));
}
template <bool TRANSPOSED, typename T, typename Pointer>
void simdgroup_store_block(const simdgroup_matrix<T>& a, Pointer blocks, int at) {
  const int column = msl::fragment_column(), row = msl::fragment_row();
  if constexpr (TRANSPOSED && sizeof(T) == 2) {
    const auto turned = msl::transposed(a.own());
    const auto to = blocks + msl::opaque(msl::fragment_row_across() * 8 + column) + at;
    *(msl::neighbours<T>*)to = {turned[0], turned[1]};
  } else if constexpr (TRANSPOSED) {
    const auto to = blocks + msl::opaque(column * 8 + row) + at;
    to[0] = a.own()[0];
    to[8] = a.own()[1];
  } else {
    *(msl::neighbours<T>*)(blocks + msl::opaque(row * 8 + column) + at) = {a.own()[0], a.own()[1]};
  }
}
// What this lane has of the sum of a's elements times those of b, which simdgroup_load_block has loaded in the same way:
// of what it has for a product on the right, so that nothing else is loaded.
template <typename T>
float simdgroup_inner_part(const simdgroup_matrix<T>& a, const simdgroup_matrix<T>& b) {
  const float2 x = msl::converted<float>(a.loaded()), y = msl::converted<float>(b.loaded());
  return x[0] * y[0] + x[1] * y[1];
}
// Ours alone too: N matrices, 1, 2 or 4, from rows of 16-bit numbers in threadgroup memory, `stride` numbers apart, a
// multiple of 8 as `rows`, `next` and `further` are. `next` lies between two matrices, `further` between two pairs. They
// are for the left or the RIGHT of products and nothing else. TRANSPOSED: the transposes of what lies there.
#define __HAVE_SIMDGROUP_TILES__ 1
template <bool RIGHT, bool TRANSPOSED, typename T, int N, typename Pointer>
void simdgroup_load_tiles(simdgroup_matrix<T> (&d)[N], Pointer rows, int stride, int next, int further) {
  const int place = (int)msl::lane() % 8, row = RIGHT || TRANSPOSED ? place : msl::row_of(place);
  const int number = (int)msl::lane() / 8 % N;
  uint r[N];
  msl::load_matrices<RIGHT != TRANSPOSED>(r, rows + msl::opaque(row * stride + number % 2 * next + number / 2 * further));
  for (int i = 0; i < N; ++i) {
    // The tensor core takes row l / 4 of the left, which is row_of(l / 4) of the matrix.
    const uint own = RIGHT || !TRANSPOSED ? r[i] : __shfl_sync(msl::whole, r[i], msl::fragment_row() * 4 + (int)msl::lane() % 4);
    const auto pair = msl::bits_as<vec<T, 2>>(own);
    d[i] = RIGHT ? simdgroup_matrix<T>::of(pair, pair) : simdgroup_matrix<T>::of(pair);
  }
}
// A matrix of 16-bit numbers to such rows.
template <typename T, typename Pointer>
void simdgroup_store_tile(const simdgroup_matrix<T>& a, Pointer rows, int stride) {
  const auto to = rows + msl::opaque(msl::fragment_row() * stride + msl::fragment_column());
  *(msl::neighbours<T>*)to = {a.own()[0], a.own()[1]};
}
// Two neighbours in a row of 16-bit numbers at once, as one number. They lie at a multiple of 4 bytes.
template <typename T>
uint load_neighbours(const T* at) {
  return *(const uint*)at;
}
template <typename T>
void store_neighbours(T* at, uint pair) {
  *(uint*)at = pair;
}
template <typename T>
bool neighbours_lie_well(const T* at) {
  return (ulong)at % sizeof(uint) == 0;
}
template <typename D, typename T>
simdgroup_matrix<D> simdgroup_convert(const simdgroup_matrix<T>& a) {
  return a.template as<D>();
}

// d = a b + c, summed in float and rounded once.
template <typename D, typename A, typename B, typename C>
void simdgroup_multiply_accumulate(
    simdgroup_matrix<D>& d, const simdgroup_matrix<A>& a, const simdgroup_matrix<B>& b, const simdgroup_matrix<C>& c) {
  const vec<A, 2> x = a.own();
  const vec<B, 2> y = b.transposed();
  const msl::fragment start = {(float)c.own()[0], (float)c.own()[1]};
  msl::fragment r = start;
  if constexpr (sizeof(A) == 2 && is_same_v<A, B>) {
    float sums[4] = {r.first, r.second, 0.0f, 0.0f};
    msl::multiply_small<A, 1>(sums, {msl::bits_as<uint>(x), 0}, {msl::bits_as<uint>(y)});
    r = {sums[0], sums[1]};
  } else {
    r = msl::multiply_add({(float)x[0], (float)x[1]}, {(float)y[0], (float)y[1]}, start);
  }
  d = simdgroup_matrix<D>::of(vec<D, 2>(r.first, r.second));
}
// Ours alone too: 2x2 products at once, d00 += a0 b0, d01 += a0 b1 and so on, where a may be rounded to A and b to B,
// and the lanes have set either all of a matrix's elements or none. Metal has no such thing, so a shader asks whether
// __HAVE_SIMDGROUP_MULTIPLY_2X2__ is defined.
#define __HAVE_SIMDGROUP_MULTIPLY_2X2__ 1
template <typename A, typename B, typename Left, typename Right>
void multiply_accumulate_column(
    simdgroup_float8x8& d0,
    simdgroup_float8x8& d1,
    const simdgroup_matrix<Left>& a0,
    const simdgroup_matrix<Left>& a1,
    const simdgroup_matrix<Right>& b) {
  if constexpr (sizeof(A) == 2 && is_same_v<A, B>) {
    float d[4] = {d0.own()[0], d0.own()[1], d1.own()[0], d1.own()[1]};
    const auto bits = [](auto pair) { return msl::bits_as<uint>(msl::converted<A>(pair)); };
    msl::multiply_small<A, 1>(d, {bits(a0.own()), bits(a1.own())}, {bits(b.transposed_alike())});
    d0 = simdgroup_float8x8::of(float2(d[0], d[1]));
    d1 = simdgroup_float8x8::of(float2(d[2], d[3]));
  } else {
    msl::fragment c0 = {d0.own()[0], d0.own()[1]}, c1 = {d1.own()[0], d1.own()[1]};
    const float2 x0 = msl::converted<float>(a0.own()), x1 = msl::converted<float>(a1.own());
    const float2 y = msl::converted<float>(b.transposed_alike());
    msl::multiply_add_pair<A, B>(c0, c1, {x0[0], x0[1]}, {x1[0], x1[1]}, {y[0], y[1]});
    d0 = simdgroup_float8x8::of(float2(c0.first, c0.second));
    d1 = simdgroup_float8x8::of(float2(c1.first, c1.second));
  }
}
template <typename A = float, typename B = float, typename Left, typename Right>
void simdgroup_multiply_accumulate_2x2(
    simdgroup_float8x8& d00,
    simdgroup_float8x8& d01,
    simdgroup_float8x8& d10,
    simdgroup_float8x8& d11,
    const simdgroup_matrix<Left>& a0,
    const simdgroup_matrix<Left>& a1,
    const simdgroup_matrix<Right>& b0,
    const simdgroup_matrix<Right>& b1) {
  multiply_accumulate_column<A, B>(d00, d10, a0, a1, b0);
  multiply_accumulate_column<A, B>(d01, d11, a0, a1, b1);
}
// Ours alone too: two blocks of the inner index at once, sums[r] += a[r] b[0][0] + more_a[r] b[0][1], and nexts with
// b[1]. What stays in float beside bfloats is the sum of three of them.
#define __HAVE_SIMDGROUP_MULTIPLY_2X2X2__ 1
template <typename A, typename B, typename Left, typename Right>
void multiply_accumulate_column(
    simdgroup_float8x8 (&d)[2],
    const simdgroup_matrix<Left> (&a)[2],
    const simdgroup_matrix<Left> (&more_a)[2],
    const simdgroup_matrix<Right> (&b)[2]) {
  using T = conditional_t<sizeof(A) == 2, A, B>;
  constexpr bool alike = sizeof(A) == 2 && is_same_v<A, B>;
  constexpr bool beside_float = is_same_v<T, bfloat> && sizeof(A) != sizeof(B);
  if constexpr (alike || beside_float) {
    float sums[4] = {d[0].own()[0], d[0].own()[1], d[1].own()[0], d[1].own()[1]};
    uint left[msl::parts_of<A>][4], right[msl::parts_of<B>][2];
    for (int i = 0; i < 2; ++i) {
      msl::take_parts<T>(left, i, a[i].own());
      msl::take_parts<T>(left, 2 + i, more_a[i].own());
      msl::take_parts<T>(right, i, b[i].transposed_alike());
    }
    for (int l = msl::parts_of<A>; l-- > 0;) {
      for (int r = msl::parts_of<B>; r-- > 0;) msl::multiply_small<T, 2>(sums, left[l], right[r]);
    }
    d[0] = simdgroup_float8x8::of(float2(sums[0], sums[1]));
    d[1] = simdgroup_float8x8::of(float2(sums[2], sums[3]));
  } else {
    multiply_accumulate_column<A, B>(d[0], d[1], a[0], a[1], b[0]);
    multiply_accumulate_column<A, B>(d[0], d[1], more_a[0], more_a[1], b[1]);
  }
}
template <typename A, typename B, typename Left, typename Right>
void simdgroup_multiply_accumulate_2x2x2(
    simdgroup_float8x8 (&sums)[2],
    simdgroup_float8x8 (&nexts)[2],
    const simdgroup_matrix<Left> (&a)[2],
    const simdgroup_matrix<Left> (&more_a)[2],
    const simdgroup_matrix<Right> (&b)[2][2]) {
  multiply_accumulate_column<A, B>(sums, a, more_a, b[0]);
  multiply_accumulate_column<A, B>(nexts, a, more_a, b[1]);
}
}  // namespace metal
