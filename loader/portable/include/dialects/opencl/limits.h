// numeric_limits, and the constants with names that OpenCL lacks.
#pragma once

#include "types.h"
#include "../clang/limits.h"

#define HALF_DIG 3
#define BFLT_DIG 2
#define BFLT_MANT_DIG 8
#define BFLT_MAX_EXP 128
#define BFLT_MIN_EXP (-125)
#define BFLT_MAX ((bfloat)0x1.fep127f)
#define BFLT_MIN ((bfloat)0x1p-126f)
#define BFLT_EPSILON ((bfloat)0x1p-7f)
#define M_PI_BF ((bfloat)3.14159265358979323846f)
#define M_1_SQRT2_F M_SQRT1_2_F
#define M_1_SQRT2_H M_SQRT1_2_H
