#include <metal_stdlib>

using namespace metal;

inline float after_all(float x) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return x;
}

inline void after_some(uint at) {
  if (at < 16) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // BAD
  }
}

template <typename N>
inline void after_each(N steps) {
  const N doubled = steps * 2;
  for (N step = 0; step < doubled; ++step) {
    after_all(1.0f);  // BAD
  }
}

template <typename T>
inline T after(T x) {
  threadgroup_barrier(mem_flags::mem_threadgroup);
  return x;
}

struct Last {
  uint count;

  void operator()(uint at) const thread {
    if (at == count) {
      simdgroup_barrier(mem_flags::mem_threadgroup);  // BAD
    }
  }
};

inline void handed_on(float x, uint at) {
  if (x > 0.0f) {
    after_some(at / 2);
  }
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
  if (lane < 16) {
    threadgroup_barrier(mem_flags::mem_threadgroup);  // BAD
  }
  const float later = lane < 8 ? after_all(1.0f) : 2.0f;  // BAD
  handed_on(static_cast<float>(n[0]), lane);
  after_each<uint>(lane);
  const Last last = {31};
  last(lane);
  if (lane == 1) after<uint>(1);  // BAD
  if (lane == 2) after<int>(1);  // BAD
  if (lane == 3) after<float>(1.0f);  // BAD
  if (lane == 4) after<half>(1.0h);  // BAD
  y[i] = static_cast<T>(t[31 - lane] + later + static_cast<float>(n[0]));
}
