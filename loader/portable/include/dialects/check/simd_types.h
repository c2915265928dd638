// The names of <simd/simd.h> that shaders share with Swift and C.
#pragma once

#include "matrix.h"
#include "vector.h"

#define MSL_SHARED_VECTORS(T, of)                                                                  \
  typedef of##2 vector_##T##2, simd_##T##2, simd_packed_##T##2;                                    \
  typedef of##3 vector_##T##3, simd_##T##3;                                                        \
  typedef of##4 vector_##T##4, simd_##T##4, simd_packed_##T##4;
MSL_SHARED_VECTORS(float, float)
MSL_SHARED_VECTORS(half, half)
MSL_SHARED_VECTORS(char, char)
MSL_SHARED_VECTORS(uchar, uchar)
MSL_SHARED_VECTORS(short, short)
MSL_SHARED_VECTORS(ushort, ushort)
MSL_SHARED_VECTORS(int, int)
MSL_SHARED_VECTORS(uint, uint)
MSL_SHARED_VECTORS(long, long)
MSL_SHARED_VECTORS(ulong, ulong)
#undef MSL_SHARED_VECTORS

#define MSL_SHARED_MATRICES(T, C)                                                                                   \
  typedef metal::T##C##x2 matrix_##T##C##x2, simd_##T##C##x2;                                                       \
  typedef metal::T##C##x3 matrix_##T##C##x3, simd_##T##C##x3;                                                       \
  typedef metal::T##C##x4 matrix_##T##C##x4, simd_##T##C##x4;
MSL_SHARED_MATRICES(float, 2)
MSL_SHARED_MATRICES(float, 3)
MSL_SHARED_MATRICES(float, 4)
MSL_SHARED_MATRICES(half, 2)
MSL_SHARED_MATRICES(half, 3)
MSL_SHARED_MATRICES(half, 4)
#undef MSL_SHARED_MATRICES
typedef uint simd_uint1;
typedef int simd_int1;
typedef float simd_float1;
typedef bool simd_bool;
