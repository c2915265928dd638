// Two loops count in variables of one name: what differs between threads in one does not in the other.
#include <metal_stdlib>
using namespace metal;

[[kernel]] void reduce_rows(
    const device float* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    uint row [[threadgroup_position_in_grid]],
    uint thread_index [[thread_index_in_threadgroup]]) {
  threadgroup float sums[64];
  float sum = 0.0f;
  for (uint i = thread_index; i < 256; i += 64) {
    sum += x[256 * row + i];
  }
  sums[thread_index] = sum;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  for (uint i = 32; i > 0; i /= 2) {
    const float other = thread_index < i ? sums[thread_index + i] : 0.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (thread_index < i) {
      sums[thread_index] += other;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if (thread_index == 0) {
    y[row] = sums[0];
  }
}
