// The constants that Metal defines as macros. After all other headers, which know some of the names.
#pragma once

#undef inf
#undef INFINITY
#undef NAN
#undef HUGE_VALF
#undef MAXFLOAT
#undef CHAR_BIT
#undef CHAR_MIN
#undef CHAR_MAX
#undef SCHAR_MIN
#undef SCHAR_MAX
#undef UCHAR_MAX
#undef SHRT_MIN
#undef SHRT_MAX
#undef USHRT_MAX
#undef INT_MIN
#undef INT_MAX
#undef UINT_MAX
#undef LONG_MIN
#undef LONG_MAX
#undef ULONG_MAX
#undef FLT_DIG
#undef FLT_MANT_DIG
#undef FLT_MAX_EXP
#undef FLT_MIN_EXP
#undef FLT_MAX
#undef FLT_MIN
#undef FLT_EPSILON
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fc00000)
#define MSL_HALF(x) metal::half(x)
#define MSL_BFLOAT(x) metal::bfloat(x)
#include "../../library/constants.h"
