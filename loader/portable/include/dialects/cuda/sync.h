// Barriers and fences.
#pragma once

#include "scalar.h"

#include "../../library/sync.h"

namespace metal {
// Always a full fence: mem_none before a read of threadgroup memory works on Apple GPUs and is in use.
inline void threadgroup_barrier(mem_flags) { __syncthreads(); }
inline void simdgroup_barrier(mem_flags) { __syncwarp(); }

enum memory_order {
  memory_order_relaxed,
  memory_order_acquire,
  memory_order_release,
  memory_order_acq_rel,
  memory_order_seq_cst
};
inline void atomic_thread_fence(mem_flags, memory_order, thread_scope = thread_scope_device) { __threadfence(); }
}  // namespace metal
