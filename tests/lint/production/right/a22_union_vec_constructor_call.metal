// T(a, b) where T names a vector type through a template.
#include <metal_stdlib>
using namespace metal;

template <typename T2>
METAL_FUNC T2 both(float a, float b) { return T2(a, b); }
[[kernel]] void go(device float2* y [[buffer(0)]], device half2* z [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    y[i] = both<float2>(1.0f, 2.0f);
    z[i] = both<half2>(1.0f, 2.0f);
}
