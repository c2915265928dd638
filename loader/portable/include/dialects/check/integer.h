// <metal_integer>.
#pragma once

#include "math.h"

namespace metal {
#define MSL_INTEGERS(M, name)                                                                    \
  MSL_WIDTHS(M, name, char) MSL_WIDTHS(M, name, uchar) MSL_WIDTHS(M, name, short)                \
  MSL_WIDTHS(M, name, ushort) MSL_WIDTHS(M, name, int) MSL_WIDTHS(M, name, uint)                 \
  MSL_WIDTHS(M, name, long) MSL_WIDTHS(M, name, ulong)
MSL_INTEGERS(MSL_UNARY, abs)
MSL_INTEGERS(MSL_UNARY, clz)
MSL_INTEGERS(MSL_UNARY, ctz)
MSL_INTEGERS(MSL_UNARY, popcount)
MSL_INTEGERS(MSL_UNARY, reverse_bits)
MSL_INTEGERS(MSL_BINARY, absdiff)
MSL_INTEGERS(MSL_BINARY, addsat)
MSL_INTEGERS(MSL_BINARY, hadd)
MSL_INTEGERS(MSL_BINARY, max)
MSL_INTEGERS(MSL_BINARY, min)
MSL_INTEGERS(MSL_BINARY, mulhi)
MSL_INTEGERS(MSL_BINARY, rhadd)
MSL_INTEGERS(MSL_BINARY, rotate)
MSL_INTEGERS(MSL_BINARY, subsat)
MSL_INTEGERS(MSL_TERNARY, clamp)
MSL_INTEGERS(MSL_TERNARY, madhi)
MSL_INTEGERS(MSL_TERNARY, madsat)
MSL_INTEGERS(MSL_TERNARY, max3)
MSL_INTEGERS(MSL_TERNARY, median3)
MSL_INTEGERS(MSL_TERNARY, min3)
#undef MSL_INTEGERS

/// `bits` bits of x from bit `offset` up.
template <typename T>
enable_if_t<is_integral_v<element_t<T>>, T> extract_bits(T x, uint offset, uint bits);
/// x with `bits` bits of y put in at bit `offset`.
template <typename T>
enable_if_t<is_integral_v<element_t<T>>, T> insert_bits(T x, T y, uint offset, uint bits);
/// The 24-bit product of x and y.
int mul24(int x, int y);
uint mul24(uint x, uint y);
int mad24(int x, int y, int z);
uint mad24(uint x, uint y, uint z);

/// The larger of x and y. Both must have the same type.
int max(int x, int y);
/// The smaller of x and y. Both must have the same type.
int min(int x, int y);
}  // namespace metal
