// In a template, 0.5 without a suffix times a float4.
#include <metal_stdlib>
using namespace metal;

template <typename T>
[[kernel]] void go(device T* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    T x = y[i];
    y[i] = (T)(0.5 * x * (1 + tanh(x)));
}
template [[host_name("go_4")]] [[kernel]] decltype(go<float4>) go<float4>;
