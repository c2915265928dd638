#include <metal_stdlib>

using namespace metal;

struct Row {
  float first;
  float second;
};

inline void put(threadgroup float* to, uint at, float x) {
  to[at] = x;
}

template <typename T, bool FILLED>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    threadgroup float* given [[threadgroup(0)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float passed[32];
  threadgroup float late[32];
  threadgroup float sums[32];
  threadgroup float pair[2];
  threadgroup float best;
  threadgroup float chosen[32];
  threadgroup atomic_uint count;
  threadgroup Row rows[32];
  float early = 0.0f;
  for (int step = 0; step < n[0]; ++step) {
    if (step > 0) {
      early += late[31 - lane];
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    late[lane] = static_cast<float>(a[i]);
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  if constexpr (FILLED) {
    chosen[lane] = early;
  }
  sums[lane] = 0.0f;
  sums[lane] += early;
  put(passed, lane, early);
  put(given + 1, lane, early);
  rows[lane].first = early;
  if (lane == 0) {
    best = early;
    atomic_store_explicit(&count, 1u, memory_order_relaxed);
  }
  if (lane < 2) {
    pair[lane] = 1.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (FILLED) {
    early += chosen[31 - lane];
  }
  const Row row = rows[lane];
  const float both = pair[0] + pair[1] + passed[lane] + given[lane] + best;
  y[i] = static_cast<T>(both + early + sums[lane] + row.first + static_cast<float>(sizeof(pair)));
}
