// Barriers and fences.
#pragma once

#include "keywords.h"

namespace metal {
enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16
};
METAL_FUNC constexpr mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(uint(a) | uint(b)); }
METAL_FUNC constexpr mem_flags operator&(mem_flags a, mem_flags b) { return mem_flags(uint(a) & uint(b)); }

// Always a full fence: mem_none before a read of threadgroup memory works on Apple GPUs and is in use.
METAL_FUNC void threadgroup_barrier(mem_flags) { barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); }
#ifdef MSL_WHOLE  // Lanes run in step: it is the compiler alone that must not move accesses.
METAL_FUNC void simdgroup_barrier(mem_flags) { __asm__ volatile("" ::: "memory"); }
#else
METAL_FUNC void simdgroup_barrier(mem_flags) { sub_group_barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); }
#endif
}  // namespace metal
