// <metal_integer>, a line a function: Metal's name, OpenCL's, and the formula where there is none, of elements x, y
// and z of type E. What stands as MSL_INTEGER_OWN every dialect writes in its own way.

MSL_INTEGER_1(clz, clz, msl::leading_zeros(x))
MSL_INTEGER_1(ctz, ctz, msl::trailing_zeros(x))
MSL_INTEGER_1(popcount, popcount, __popcll((unsigned long long)(msl::unsigned_of<E>)x))
MSL_INTEGER_2(addsat, add_sat, msl::add_saturated(x, y))
MSL_INTEGER_2(hadd, hadd, (x & y) + ((x ^ y) >> 1))
MSL_INTEGER_2(max, max, x < y ? y : x)
MSL_INTEGER_2(min, min, y < x ? y : x)
MSL_INTEGER_2(mul24, mul24, x* y)
MSL_INTEGER_2(mulhi, mul_hi, msl::multiply_high(x, y))
MSL_INTEGER_2(rhadd, rhadd, (x | y) - ((x ^ y) >> 1))
MSL_INTEGER_2(rotate, rotate, msl::rotated(x, y))
MSL_INTEGER_2(subsat, sub_sat, msl::subtract_saturated(x, y))
MSL_INTEGER_3(clamp, clamp, x < y ? y : x > z ? z : x)
MSL_INTEGER_3(mad24, mad24, x* y + z)
MSL_INTEGER_3(madhi, mad_hi, (msl::unsigned_of<E>)msl::multiply_high(x, y) + (msl::unsigned_of<E>)z)
MSL_INTEGER_OWN_1(abs, x < (E)0 ? (E)(0 - (msl::unsigned_of<E>)x) : x)
MSL_INTEGER_OWN_1(reverse_bits, msl::reverse(x))
MSL_INTEGER_OWN_2(absdiff, x < y ? (msl::unsigned_of<E>)y - (msl::unsigned_of<E>)x
                                    : (msl::unsigned_of<E>)x - (msl::unsigned_of<E>)y)
MSL_INTEGER_OWN_3(madsat, msl::multiply_add_saturated(x, y, z))

// Of floats and of integers.
MSL_NUMBER_3(max3, max(x, max(y, z)))
MSL_NUMBER_3(median3, max(min(x, y), min(max(x, y), z)))
MSL_NUMBER_3(min3, min(x, min(y, z)))
