// rgb swizzles and .xy of packed vectors.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(device packed_half4* c [[buffer(0)]], device packed_float3* p [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    half4 v = half4(c[i].rgb, 1.0h);
    p[i].xy = float2(v.xy);
    c[i].rgba = v;
}
