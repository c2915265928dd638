// elements of packed vectors, packed vector times a number.
#include <metal_stdlib>
using namespace metal;

struct V {
    packed_float3 p;
    float w;
};
[[kernel]] void go(device V* v [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    v[i].p[0] = 1.0f;
    v[i].p[i % 3] = 3.0f;
    float3 a = v[i].p * 2.0f;
    float3 b = 2.0 * v[i].p;
    v[i].p = packed_float3(a + b);
    v[i].p *= 0.5f;
}
