// Double buffering: one half is read while the other is written.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void go(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint l [[thread_position_in_threadgroup]]) {
    threadgroup float t[2][64];
    t[0][l] = x[l];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint now = 0;
    float s = 0.0f;
    for (uint k = 1; k < 8; ++k) {
        uint next = 1 - now;
        t[next][l] = x[k * 64 + l];
        s += t[now][63 - l];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        now = next;
    }
    y[l] = s + t[now][l];
}
