// half4 times float.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void scale(device half4* x [[buffer(0)]], constant float& s [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    x[i] *= s;
    x[i] = x[i] * s;
}
