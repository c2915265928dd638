// Barriers and fences.
#pragma once

#include "types.h"

#include "../../library/sync.h"

namespace metal {
// Atomics are relaxed; the other orders are those of fences and barriers.
enum memory_order { memory_order_relaxed };
enum fence_order { memory_order_acquire, memory_order_release, memory_order_acq_rel, memory_order_seq_cst };

/// Wait until every thread of the threadgroup is here, and the memory named by `flags` is in order.
/// All of them must come by: never under a condition that differs between threads.
void threadgroup_barrier(mem_flags flags);
void threadgroup_barrier(mem_flags flags, fence_order order, thread_scope scope);
/// Wait until every thread of the simdgroup is here, and the memory named by `flags` is in order.
void simdgroup_barrier(mem_flags flags);
void simdgroup_barrier(mem_flags flags, fence_order order, thread_scope scope);
void atomic_thread_fence(mem_flags flags, memory_order order, thread_scope scope = thread_scope_device);
void atomic_thread_fence(mem_flags flags, fence_order order, thread_scope scope = thread_scope_device);
}  // namespace metal
