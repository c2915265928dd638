// c ? variable : temporary of a matrix or struct.
#include <metal_stdlib>
using namespace metal;

float2x2 safe_inverse(float2x2 m) {
    float det = determinant(m);
    float2x2 adj = float2x2(float2(m[1].y, -m[0].y), float2(-m[1].x, m[0].x));
    return det != 0.0f ? adj * (1.0f / det) : m;
}
[[kernel]] void go(device float2x2* y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = safe_inverse(y[i]); }
