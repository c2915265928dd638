// A helper that waits under a condition on its argument, which is a thread's position (bad).
#include <metal_stdlib>
using namespace metal;

METAL_FUNC void halve(threadgroup float* sums, uint at, uint count) {
  for (uint width = count / 2; at < width; width /= 2) {
    sums[at] += sums[at + width];
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

METAL_FUNC float sum_of(threadgroup float* sums, ushort lid, float x) {
  const uint at = lid;
  sums[at] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  halve(sums, at, 128);
  return sums[0];
}

[[kernel]] void sums(
    const device float* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    ushort lid [[thread_position_in_threadgroup]],
    uint group [[threadgroup_position_in_grid]]) {
  threadgroup float shared[128];
  const float sum = sum_of(shared, lid, x[group * 128 + lid]);
  if (lid == 0) y[group] = sum;
}
