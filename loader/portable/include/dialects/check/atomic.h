// <metal_atomic>: each function for the types that Metal has it for.
#pragma once

#include "sync.h"
#include "traits.h"

namespace metal {
template <typename... Options>
struct type_list {};
template <typename T, typename... Options>
constexpr constant bool one_of = (false || ... || is_same_v<T, Options>);

/// A value that threads change one after another.
template <typename T>
struct atomic {
  static_assert(one_of<T, int, uint, bool, float, ulong>, "Metal has atomic int, uint, bool, float and ulong");
  T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<bool> atomic_bool;
typedef atomic<float> atomic_float;
typedef atomic<ulong> atomic_ulong;

#define MSL_CHANGE(name, space, ...)                                           \
  template <typename T>                                                        \
  enable_if_t<one_of<T, __VA_ARGS__>, T> atomic_fetch_##name##_explicit(       \
      volatile space atomic<T>* object, msl::given<T> operand, memory_order order);
#define MSL_ATOMICS(space)                                                                                      \
  template <typename T>                                                                                         \
  void atomic_store_explicit(volatile space atomic<T>* object, msl::given<T> desired, memory_order order);      \
  template <typename T>                                                                                         \
  T atomic_load_explicit(const volatile space atomic<T>* object, memory_order order);                           \
  template <typename T>                                                                                         \
  T atomic_exchange_explicit(volatile space atomic<T>* object, msl::given<T> desired, memory_order order);      \
  template <typename T>                                                                                         \
  bool atomic_compare_exchange_weak_explicit(volatile space atomic<T>* object, thread T* expected,              \
                                             msl::given<T> desired, memory_order success, memory_order failure);\
  MSL_CHANGE(add, space, int, uint, float)                                                                      \
  MSL_CHANGE(sub, space, int, uint, float)                                                                      \
  MSL_CHANGE(min, space, int, uint)                                                                             \
  MSL_CHANGE(max, space, int, uint)                                                                             \
  MSL_CHANGE(and, space, int, uint)                                                                             \
  MSL_CHANGE(or, space, int, uint)                                                                              \
  MSL_CHANGE(xor, space, int, uint)
MSL_ATOMICS(device)
MSL_ATOMICS(threadgroup)
#undef MSL_ATOMICS
#undef MSL_CHANGE
template <typename T>
using _atomic = atomic<T>;
void atomic_min_explicit(volatile device atomic<ulong>* object, ulong operand, memory_order order);
void atomic_max_explicit(volatile device atomic<ulong>* object, ulong operand, memory_order order);
}  // namespace metal
using metal::atomic_bool;
using metal::atomic_float;
using metal::atomic_int;
using metal::atomic_uint;
using metal::atomic_ulong;
