// float4 v = {0.0f} fills the rest with zeros; {a, b, c} leaves the last zero.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void sum(const device float4* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    float4 acc = {0.0f};
    uint4 key = {i, i + 1, i ^ 3};
    acc += x[i];
    y[i] = acc.x + acc.y + acc.z + acc.w + float(key.z);
}
