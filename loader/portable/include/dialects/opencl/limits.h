// numeric_limits, and the constants that Metal defines as macros.
#pragma once

#include "types.h"
#include "../clang/limits.h"

// OpenCL has some of them.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wmacro-redefined"
#define MSL_HALF(x) ((half)x)
#define MSL_BFLOAT(x) ((bfloat)x)
#include "../../library/constants.h"
#pragma clang diagnostic pop
