// C-style cast between vectors of different element types.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void scale(const device half4* x [[buffer(0)]], device float4* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    y[i] = (float4)x[i] * 2.0f;
}
