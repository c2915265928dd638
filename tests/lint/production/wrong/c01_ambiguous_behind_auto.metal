// An ambiguous call behind auto, and a comparison of what it gives.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void cut(const device half* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    auto v = min(x[i], 1.0f);
    if (v < 0.5f) y[i] = 1.0f;
}
