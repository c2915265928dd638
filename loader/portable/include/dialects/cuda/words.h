// Metal's words, after all headers that are not ours: none of them may meet these.
#pragma once

#include <cuda/std/limits>
#include <cuda/std/type_traits>

#define device
#define constant
#define thread
#define threadgroup

#define __METAL__ 1
#define __METAL_VERSION__ 320
#define __HAVE_BFLOAT__ 1
#define METAL_FUNC inline __attribute__((always_inline))
#define METAL_CONST static constexpr

// There are no address spaces in types, so one member serves all.
#define MSL_SPACES(...)
#define MSL_PLACES(M) M()
#define MSL_DEFAULT(self, ...) self() = default;
#define MSL_UNROLL _Pragma("unroll")
