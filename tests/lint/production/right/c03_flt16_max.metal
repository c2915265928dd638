// A macro that clang predefines, of type _Float16.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    float lowest = -__FLT16_MAX__ / 2;
    y[i] = max(y[i], lowest);
}
