// A float that becomes a const bfloat, and a uint that becomes a const ushort.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(const device bfloat* x [[buffer(0)]], device bfloat* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    const bfloat v = float(x[i]) * 2.0f;
    const ushort k = i;
    y[i] = k > 3 ? v : x[i];
}
