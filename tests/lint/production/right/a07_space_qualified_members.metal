// Defaulted constructors qualified by an address space.
#include <metal_stdlib>
using namespace metal;

struct state {
    float v;
    state() thread = default;
    state() threadgroup = default;
    state() device = default;
};
[[kernel]] void go(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    state s;
    s.v = 2.0f;
    y[i] = s.v;
}
