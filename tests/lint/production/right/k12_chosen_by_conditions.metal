// A shift that a constant condition never reaches, and a threadgroup array whose type `#if` chooses.
#include <metal_stdlib>
using namespace metal;

#define TURN(v, n) ((n) == 0 ? (v) : ((v) << (n)) | ((v) >> (32 - (n))))

[[kernel]] void turn(
    const device uint* x [[buffer(0)]],
    device uint* y [[buffer(1)]],
    uint t [[thread_index_in_threadgroup]]) {
  threadgroup
#if defined(WIDE)
      float tile[64];
  threadgroup float extra[64];
#else
      half tile[64];
  threadgroup half extra[64];
#endif
  tile[t] = x[t] & 7;
  extra[t] = x[t] & 3;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[t] = TURN(x[t], 0) + TURN(x[t], 5) + uint(tile[63 - t] + extra[63 - t]);
}
