// Scalar and vector types.
#pragma once

#include "keywords.h"

typedef char int8_t;

#include "../clang/types.h"

// M(f, T) for T and its vectors, and for every type of a kind.
#define MSL_WIDTHS(M, f, T) M(f, T) M(f, T##2) M(f, T##3) M(f, T##4)
#define MSL_SIGNED(M, f) \
  MSL_WIDTHS(M, f, char) MSL_WIDTHS(M, f, short) MSL_WIDTHS(M, f, int) MSL_WIDTHS(M, f, long)
#define MSL_UNSIGNED(M, f) \
  MSL_WIDTHS(M, f, uchar) MSL_WIDTHS(M, f, ushort) MSL_WIDTHS(M, f, uint) MSL_WIDTHS(M, f, ulong)
