#include <metal_stdlib>

using namespace metal;

struct Place {
  uint lane;
  int steps;
};

inline void after_some(int count) {
  if (count < 16) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

inline void after_work(threadgroup float* t, uint at) {
  if (at < 16) {
    t[at] = 0.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
}

inline void after_steps(Place place) {
  for (int step = 0; step < place.steps; ++step) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
}

inline float shared_sum(threadgroup float* t, uint at, float x) {
  t[at] = x;
  threadgroup_barrier(mem_flags::mem_threadgroup);
  if (t[0] > 0.0f) {
    threadgroup_barrier(mem_flags::mem_threadgroup);
  }
  return t[0];
}

template <typename T>
[[kernel]] void k(
    const device T* a [[buffer(0)]],
    const constant int* n [[buffer(1)]],
    device T* y [[buffer(2)]],
    uint i [[thread_position_in_grid]],
    uint lane [[thread_index_in_simdgroup]]) {
  threadgroup float t[32];
  t[lane] = static_cast<float>(a[i]);
  if (n[0] < 16) {
    t[lane] = 0.0f;
  }
  threadgroup_barrier(mem_flags::mem_threadgroup);
  after_some(n[0]);
  after_work(t, lane);
  const Place place = {lane, n[0]};
  after_steps(place);
  const float sum = shared_sum(t, lane, static_cast<float>(a[i]));
  y[i] = static_cast<T>(t[31 - lane] + sum + static_cast<float>(n[0]));
}
