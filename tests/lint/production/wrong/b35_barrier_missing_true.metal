// Threadgroup memory that is written, then read at another index with no barrier.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint l [[thread_position_in_threadgroup]]) {
    threadgroup float t[128];
    t[l] = x[l];
    if (l < 64) {
        if (t[l + 64] > x[l]) y[l] = t[l + 64];
    }
}
