// a macro that writes a kernel with threadgroup memory.
#include <metal_stdlib>
using namespace metal;

#define SUM(NAME, T)                                                                                                  \
    kernel void NAME(const device T* x [[buffer(0)]], device T* y [[buffer(1)]], uint lid [[thread_position_in_threadgroup]]) { \
        threadgroup float part[64];                                                                                   \
        part[lid] = float(x[lid]);                                                                                    \
        threadgroup_barrier(mem_flags::mem_threadgroup);                                                              \
        y[lid] = T(part[63 - lid]);                                                                                   \
    }
SUM(sum_float, float)
SUM(sum_half, half)
