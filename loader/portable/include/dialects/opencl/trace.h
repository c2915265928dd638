// For validation: every access by a subscript to device and threadgroup memory is written to a log, and what is outside
// of a thread's own array.
#pragma once

#include "arrivals.h"
#include "../clang/type_traits.h"

namespace msl {
// The first word counts the records. A record is seven words: address (two), group, thread and kind, barriers, site,
// index.
volatile __global uint* __global trace;
__constant uint TRACE_WORDS = 7, TRACE_RECORDS = 1 << 18, TRACE_OVERRUN = 4;

// Not inline: kernels have hundreds of accesses.
__attribute__((noinline)) void record(ulong address, uint kind, uint barriers, uint site, uint index) {
  const uint at = atomic_inc(trace);
  if (at >= TRACE_RECORDS) return;
  volatile __global uint* words = trace + 8 + at * TRACE_WORDS;
  words[0] = (uint)address;
  words[1] = (uint)(address >> 32);
  words[2] = (uint)(get_group_id(0) + get_num_groups(0) * (get_group_id(1) + get_num_groups(1) * get_group_id(2)));
  words[3] = (uint)get_local_linear_id() << 8 | kind;
  words[4] = barriers;
  words[5] = site;
  words[6] = index;
}
}  // namespace msl

namespace metal {
// How many of a thread's barriers put threadgroup memory in order.
METAL_FUNC uint ordered() { return arrivals[get_global_linear_id()].y >> 20; }
METAL_FUNC uint arrived() { return arrivals[get_global_linear_id()].x; }

// The index, after it is written down what becomes of the element: 1 read, 2 written, 3 both.
template <typename T, typename I>
METAL_FUNC I touched(__global T* base, I i, uint site, uint kind, int) {
  msl::record((ulong)(base + i), kind, arrived(), site, (uint)i);
  return i;
}
template <typename T, typename I>
METAL_FUNC I touched(const __global T* base, I i, uint, uint, int) {
  return i;
}
template <typename T, typename I>
METAL_FUNC I touched(__local T* base, I i, uint site, uint kind, long) {
  msl::record((ulong)(base + i), kind | 16, ordered(), site, (uint)i);
  return i;
}
template <typename T, size_t N, typename I>
METAL_FUNC I touched(__local T (&base)[N], I i, uint site, uint kind, int) {
  const bool outside = (ulong)i >= N;
  msl::record(outside ? (ulong)(long)i : (ulong)(&base[0] + i), outside ? msl::TRACE_OVERRUN | 16 : kind | 16,
              outside ? (uint)N : ordered(), site, (uint)i);
  return outside ? (I)0 : i;
}
// A row of an array is no element: whoever gets it may access any of its own.
template <typename T, size_t N, size_t M, typename I>
METAL_FUNC I touched(__local T (&)[N][M], I i, uint site, uint, int) {
  const bool outside = (ulong)i >= N;
  if (outside) msl::record((ulong)(long)i, msl::TRACE_OVERRUN | 16, (uint)N, site, (uint)i);
  return outside ? (I)0 : i;
}
template <typename T, typename I>
METAL_FUNC I touched(__private T* base, I i, uint, uint, long) {
  return i;
}
template <typename T, size_t N, typename I>
METAL_FUNC I touched(__private T (&)[N], I i, uint site, uint, int) {
  const bool outside = (ulong)i >= N;
  if (outside) msl::record((ulong)(long)i, msl::TRACE_OVERRUN, (uint)N, site, (uint)i);
  return outside ? (I)0 : i;
}
template <typename T, typename I>
METAL_FUNC I touched(__constant T* base, I i, uint, uint, int) {
  return i;
}
// Any other thing that has subscripts: chosen where nothing above fits, since it takes a conversion of a class.
struct Otherwise {
  Otherwise(int) {}
};
template <typename B, typename I>
METAL_FUNC I touched(const B& base, I i, uint, uint, Otherwise) {
  return i;
}

METAL_FUNC void threadgroup_barrier_traced(mem_flags flags, uint line) {
  const bool orders = uint(flags) & uint(mem_flags::mem_threadgroup);
  const uint before = ordered();
  threadgroup_barrier_at(flags, line);
  arrivals[get_global_linear_id()].y = (before + orders) << 20 | line;
}
}  // namespace metal

#undef threadgroup_barrier
#define threadgroup_barrier(flags) threadgroup_barrier_traced(flags, __LINE__)
