// Lambdas: Metal 3.2.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    auto twice = [](float v) { return 2.0f * v; };
    y[i] = twice(y[i]);
}
