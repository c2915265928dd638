// <metal_integer>.
#pragma once

#include "math.h"

namespace metal {
#define MSL_INTEGER_OWN_1(name, ...) MSL_INTEGERS(MSL_UNARY, name)
#define MSL_INTEGER_OWN_2(name, ...) MSL_INTEGERS(MSL_BINARY, name)
#define MSL_INTEGER_OWN_3(name, ...) MSL_INTEGERS(MSL_TERNARY, name)
#define MSL_INTEGER_1 MSL_INTEGER_OWN_1
#define MSL_INTEGER_2 MSL_INTEGER_OWN_2
#define MSL_INTEGER_3 MSL_INTEGER_OWN_3
#undef MSL_NUMBER_3
#define MSL_NUMBER_3(name, ...) MSL_FLOATS(MSL_TERNARY, name) MSL_INTEGERS(MSL_TERNARY, name)
#include "../../library/integer.h"
// Templates: an author may add functions of his types to these.
#define MSL_OF_THREE(name) \
  template <typename T>    \
  T name(T x, T y, T z);
namespace fast {
MSL_OF_THREE(max3) MSL_OF_THREE(median3) MSL_OF_THREE(min3)
}
namespace precise {
MSL_OF_THREE(max3) MSL_OF_THREE(median3) MSL_OF_THREE(min3)
}
#undef MSL_OF_THREE

/// `bits` bits of x from bit `offset` up.
template <typename T>
enable_if_t<is_integral_v<element_t<T>>, T> extract_bits(T x, uint offset, uint bits);
/// x with `bits` bits of y put in at bit `offset`.
template <typename T>
enable_if_t<is_integral_v<element_t<T>>, T> insert_bits(T x, T y, uint offset, uint bits);

/// The larger of x and y. Both must have the same type.
int max(int x, int y);
/// The smaller of x and y. Both must have the same type.
int min(int x, int y);
}  // namespace metal
