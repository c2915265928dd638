// Metal's words, with those that Intel's compiler needs in another way than lint's clang.
#pragma once

#pragma clang diagnostic ignored "-Wc++11-narrowing"

#include "../clang/words.h"

#define METAL_CONST static constant constexpr
#define MSL_PLACES(M) M()

// OpenCL declares functions of the same names globally. Between two equal overloads clang takes the
// one with enable_if, so an unqualified call in a kernel means Metal's function, not OpenCL's.
#define MSL_FN METAL_FUNC __attribute__((enable_if(true, "")))
