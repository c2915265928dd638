// A reduction that never puts the sums of its simdgroups into threadgroup memory (bad).
#include <metal_stdlib>
using namespace metal;

[[kernel]] void row_sum(
    const device float* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint t [[thread_position_in_threadgroup]],
    uint lane [[thread_index_in_simdgroup]],
    uint group [[threadgroup_position_in_grid]]) {
  threadgroup float partials[8];
  const float sum = simd_sum(x[group * 256 + t]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  const float total = simd_sum(lane < 8 ? partials[lane] : 0.0f);
  if (t == 0) y[group] = total + 0.0f * sum;
}
