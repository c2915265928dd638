// Barriers and fences.
#pragma once

#include "keywords.h"

#include "../../library/sync.h"

namespace metal {
// Always a full fence: mem_none before a read of threadgroup memory works on Apple GPUs and is in use.
METAL_FUNC void threadgroup_barrier(mem_flags) { barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); }
#ifdef MSL_WHOLE  // Lanes run in step: it is the compiler alone that must not move accesses.
METAL_FUNC void simdgroup_barrier(mem_flags) { __asm__ volatile("" ::: "memory"); }
#else
METAL_FUNC void simdgroup_barrier(mem_flags) { sub_group_barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); }
#endif
}  // namespace metal
