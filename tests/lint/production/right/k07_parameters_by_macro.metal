// Parameters in a macro, one that `#if` chooses, alignment behind the extents of a threadgroup array.
#include <metal_stdlib>
using namespace metal;

#define PARAMETERS(T)            \
  const device T* x [[buffer(0)]], \
      device float* y [[buffer(1)]], \
      uint i [[thread_position_in_grid]]

[[kernel]] void flipped(PARAMETERS(half)) {
  threadgroup float tile[32] __attribute__((aligned(128)));
  threadgroup float first __attribute__((aligned(16)));
  if (i == 0) {
    first = float(x[0]);
  }
  tile[i & 31] = float(x[i]);
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = tile[31 - (i & 31)] + first;
}

[[kernel]] void widened(
    const device
#if defined(INPUTS_ARE_BITS)
        ushort* x [[buffer(0)]],
#else
        half* x [[buffer(0)]],
#endif
    device float* y [[buffer(1)]],
    uint i [[thread_position_in_grid]]) {
  y[i] = float(x[i]);
}
