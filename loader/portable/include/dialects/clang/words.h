// The words Metal adds to C++, as C++ for OpenCL spells them.
#pragma once

#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define device __global
#define constant __constant
#define threadgroup __local
// Without it a reference is to any address space, and what it refers to stays in memory.
#define thread __private

#ifndef __METAL__
#define __METAL__ 1
#endif
#define __METAL_VERSION__ 320
#define __HAVE_BFLOAT__ 1
#define METAL_FUNC inline __attribute__((always_inline))

// What a dialect says of address spaces: members for those that the bare one does not serve, and by name.
#define MSL_SPACES(...) __VA_ARGS__
#define MSL_DEFAULT(self, ...) \
  constexpr self() : __VA_ARGS__ {}
#define MSL_UNROLL _Pragma("clang loop unroll(full)")

// Free words in Metal, reserved in OpenCL.
#define local local_
#define global global_
#define generic generic_
#define pipe pipe_
#define read_only read_only_
#define write_only write_only_
#define read_write read_write_
