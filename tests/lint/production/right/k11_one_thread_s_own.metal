// A thread that reads what itself wrote: under the same condition twice, and in a pair of slots of its own.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void prefix(
    const device float* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint t [[thread_index_in_threadgroup]]) {
  threadgroup float mean;
  threadgroup float slots[64];
  slots[t] = x[t];
  if (t == 0) {
    mean = x[0] * 0.5f;
  }
  if (t == 0) {
    y[64] = mean;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint width = 1; width < 64; width <<= 1) {
    if (t < width) {
      const uint a = width * (2 * t + 1) - 1;
      const uint b = width * (2 * t + 2) - 1;
      const float kept = slots[a];
      slots[a] = slots[b];
      slots[b] += kept;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  y[t] = slots[t] * mean;
}
