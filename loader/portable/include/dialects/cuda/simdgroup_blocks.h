// What tensor cores do with matrices and Metal has no function for: a shader asks for each by its macro.
#pragma once

#include "simdgroup_matrix.h"

namespace metal {
// A matrix from 64 numbers, `at` numbers behind `blocks`, a multiple of two, so that pairs move as one. A lane's own
// place comes first: what is constant of `at` then is part of the instruction.
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
// N matrices, 1, 2 or 4, from rows of 16-bit numbers in threadgroup memory, `stride` numbers apart, a multiple of 8 as
// `rows`, `next` and `further` are. `next` lies between two matrices, `further` between two pairs. They are for the left
// or the RIGHT of products and nothing else. TRANSPOSED: the transposes of what lies there.
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

// 2x2 products at once, d00 += a0 b0, d01 += a0 b1 and so on, where a may be rounded to A and b to B, and the lanes have
// set either all of a matrix's elements or none.
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
// Two blocks of the inner index at once, sums[r] += a[r] b[0][0] + more_a[r] b[0][1], and nexts with b[1]. What stays in
// float beside bfloats is the sum of three of them.
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
