// The words Metal adds to C++, and what only Metal's own compiler has.
#pragma once

#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable
#pragma OPENCL EXTENSION __cl_clang_variadic_functions : enable
#pragma OPENCL EXTENSION __cl_clang_bitfields : enable

#include "../clang/words.h"

#define threadgroup_imageblock __local
#define kernel
#define MSL_HERE
#define vertex
#define fragment
#define METAL_CONST static constant constexpr const
#define MSL_PLACES(M) M(thread) M(device) M(threadgroup)

#define __METAL_MACOS__ 1
#define __HAVE_SIMDGROUP_MATRIX__ 1

// OpenCL has global types of these names.
#define atomic_int metal_atomic_int
#define atomic_uint metal_atomic_uint
#define atomic_float metal_atomic_float
#define atomic_long metal_atomic_long
#define atomic_ulong metal_atomic_ulong
#define atomic_flag metal_atomic_flag
