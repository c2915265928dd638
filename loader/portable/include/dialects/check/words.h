// The words Metal adds to C++, as C++ for OpenCL spells them.
#pragma once

#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#pragma OPENCL EXTENSION __cl_clang_function_pointers : enable
#pragma OPENCL EXTENSION __cl_clang_variadic_functions : enable
#pragma OPENCL EXTENSION __cl_clang_bitfields : enable

#define device __global
#define constant __constant
#define threadgroup __local
#define threadgroup_imageblock __local
#define thread __private
#define kernel
#define MSL_HERE
#define vertex
#define fragment
#define METAL_FUNC inline __attribute__((always_inline))
#define METAL_CONST static constant constexpr const

// What a dialect says of address spaces: members for those that the bare one does not serve, and by name.
#define MSL_SPACES(...) __VA_ARGS__
#define MSL_PLACES(M) M(thread) M(device) M(threadgroup)
#define MSL_DEFAULT(self, ...) \
  constexpr self() : __VA_ARGS__ {}
#define MSL_UNROLL _Pragma("clang loop unroll(full)")

#ifndef __METAL__
#define __METAL__ 1
#endif
#define __METAL_MACOS__ 1
#define __METAL_VERSION__ 320
#define __HAVE_BFLOAT__ 1
#define __HAVE_SIMDGROUP_MATRIX__ 1

// Free words in Metal, taken in OpenCL.
#define local metal_local
#define global metal_global
#define generic metal_generic
#define pipe metal_pipe
#define read_only metal_read_only
#define write_only metal_write_only
#define read_write metal_read_write
#define atomic_int metal_atomic_int
#define atomic_uint metal_atomic_uint
#define atomic_float metal_atomic_float
#define atomic_long metal_atomic_long
#define atomic_ulong metal_atomic_ulong
#define atomic_flag metal_atomic_flag
