// Instances through a typedef of decltype.
#include <metal_stdlib>
using namespace metal;

template <typename T, typename T4>
[[kernel]] void sum(const device T4* x [[buffer(0)]], device T* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    T4 v = x[i];
    y[i] = fmin(1, v[0]) + v[1] + v[2] + v[3];
    if (i == 0) y[0] = 0.5f * float(y[1]);
}
typedef decltype(sum<float, float4>) sum_t;
template [[host_name("sum_f")]] kernel sum_t sum<float, float4>;
