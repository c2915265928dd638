#include <metal_stdlib>

using namespace metal;

struct Row {
  float first;
  float second;
};

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    threadgroup float* given [[threadgroup(0)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float never[32];
  threadgroup float late[32];
  threadgroup float sums[32];
  threadgroup float pair[2];
  threadgroup float best;
  threadgroup Row rows[32];
  const float early = late[31 - lane];  // BAD
  late[lane] = static_cast<float>(a[i]);
  sums[lane] += early;  // BAD
  if (lane == 0) {
    pair[0] = 1.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (early > best) {  // BAD
    best = early;
  }
  const Row row = rows[lane];  // BAD
  const float both = pair[0] + pair[1];  // BAD
  const float more = never[lane] + given[lane];  // BAD
  y[i] = static_cast<T>(both + more + sums[lane] + row.first + static_cast<float>(n[0]));
}
