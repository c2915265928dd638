// For validation: every thread counts the barriers it reaches, and keeps the line of the last one.
#pragma once

#include "sync.h"

namespace metal {
// Volatile, because no other access tells the compiler that a count changes between two barriers.
volatile __global uint2* __global arrivals;

METAL_FUNC void threadgroup_barrier_at(mem_flags flags, uint line) {
  const size_t i = get_global_linear_id();
  arrivals[i].x += 1;
  arrivals[i].y = line;
  threadgroup_barrier(flags);
}
}  // namespace metal

#define threadgroup_barrier(flags) threadgroup_barrier_at(flags, __LINE__)
