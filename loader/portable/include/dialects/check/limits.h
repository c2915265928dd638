// <metal_limits> and the constants of <metal_math>.
#pragma once

#include "traits.h"
#include "../clang/limits.h"

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define MSL_HALF(x) ((half)x)
#define MSL_BFLOAT(x) ((bfloat)x)
#include "../../library/constants.h"
