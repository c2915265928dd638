// A type that is defined where threadgroup memory is declared, with a name and without.
#include <metal_stdlib>

using namespace metal;

template <typename T>
kernel void mirror(const device T* x, device T* y, uint lane [[thread_index_in_threadgroup]]) {
  threadgroup struct {
    T values[32];
    uint count;
  } memory;
  uint threadgroup seen[1];
  threadgroup union Word {
    float value;
    uint bits;
  } words[32], last;
  memory.values[lane] = x[lane];
  words[lane].value = float(x[lane]);
  if (lane == 0) {
    memory.count = 32;
    last.bits = 0;
    seen[0] = 1;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[lane] = T(seen[0]) * memory.values[memory.count - 1 - lane] + T(words[lane].bits != last.bits);
}

template [[host_name("mirror_float")]] kernel void mirror<float>(const device float*, device float*, uint);
