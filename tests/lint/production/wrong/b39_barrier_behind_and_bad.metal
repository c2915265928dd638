// A barrier in the second operand of &&, which some threads skip (bad).
#include <metal_stdlib>
using namespace metal;

METAL_FUNC bool all_wait() {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return true;
}

[[kernel]] void first_few(device float* y [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
  const bool is_first = t < 7 && all_wait();
  y[t] = is_first ? 1.0f : 0.0f;
}
