// Atomic types and functions, in device and threadgroup memory. All order is relaxed, as Metal's is.
#pragma once

#include "sync.h"
#include "../clang/type_traits.h"

namespace msl {
// Bits of a size, for the operations that only move values.
template <typename T>
using bits = metal::conditional_t<sizeof(T) == 1, uchar, metal::conditional_t<sizeof(T) == 4, uint, ulong>>;
}  // namespace msl

namespace metal {
template <typename T>
struct atomic {
  static_assert(sizeof(T) != 2, "Metal has no atomic of 16 bits");
  T value;
};

// Instantiated here, or a kernel may not take pointers to them.
template struct atomic<bool>;
template struct atomic<int>;
template struct atomic<uint>;
template struct atomic<long>;
template struct atomic<ulong>;
template struct atomic<float>;

using ::memory_order;
using ::memory_order_acq_rel;
using ::memory_order_acquire;
using ::memory_order_relaxed;
using ::memory_order_release;
using ::memory_order_seq_cst;

METAL_FUNC void atomic_thread_fence(mem_flags, int, thread_scope = thread_scope_device) {
  // The builtin fence keeps Intel's compiler from running lanes together.
  __asm__ volatile("mfence" ::: "memory");
}

#define MSL_BITS(space, object) ((volatile space msl::bits<T>*)&(object)->value)

#define MSL_FETCH(space, name, ...)                                                                           \
  template <typename T>                                                                                       \
  METAL_FUNC T atomic_fetch_##name##_explicit(volatile space atomic<T>* object, msl::given<T> x, int order) { \
    __VA_ARGS__                                                                                               \
  }
#define MSL_FETCH_BITS(space, name) \
  MSL_FETCH(space, name, return (T)__atomic_fetch_##name(MSL_BITS(space, object), (msl::bits<T>)x, __ATOMIC_RELAXED);)
#define MSL_FETCH_ORDERED(space, name, better)                                                             \
  MSL_FETCH(                                                                                               \
      space, name, T old = atomic_load_explicit(object, order);                                            \
      while (x better old && !atomic_compare_exchange_weak_explicit(object, &old, x, order, order)) {      \
      } return old;)                                                                                       \
  template <typename T>                                                                                    \
  METAL_FUNC void atomic_##name##_explicit(volatile space atomic<T>* object, msl::given<T> x, int order) { \
    atomic_fetch_##name##_explicit(object, x, order);                                                      \
  }

#define MSL_ATOMICS(space)                                                                            \
  template <typename T>                                                                               \
  METAL_FUNC T atomic_load_explicit(const volatile space atomic<T>* object, int) {                    \
    return __builtin_bit_cast(T, __atomic_load_n(MSL_BITS(const space, object), __ATOMIC_RELAXED));   \
  }                                                                                                   \
  template <typename T>                                                                               \
  METAL_FUNC void atomic_store_explicit(volatile space atomic<T>* object, msl::given<T> x, int) {     \
    __atomic_store_n(MSL_BITS(space, object), __builtin_bit_cast(msl::bits<T>, x), __ATOMIC_RELAXED); \
  }                                                                                                   \
  template <typename T>                                                                               \
  METAL_FUNC T atomic_exchange_explicit(volatile space atomic<T>* object, msl::given<T> x, int) {     \
    return __builtin_bit_cast(                                                                        \
        T,                                                                                            \
        __atomic_exchange_n(                                                                          \
            MSL_BITS(space, object), __builtin_bit_cast(msl::bits<T>, x), __ATOMIC_RELAXED));         \
  }                                                                                                   \
  template <typename T>                                                                               \
  METAL_FUNC bool atomic_compare_exchange_weak_explicit(                                              \
      volatile space atomic<T>* object, msl::given<T>* expected, msl::given<T> x, int, int) {         \
    msl::bits<T> seen = __builtin_bit_cast(msl::bits<T>, *expected);                                  \
    bool done = __atomic_compare_exchange_n(                                                          \
        MSL_BITS(space, object),                                                                      \
        &seen,                                                                                        \
        __builtin_bit_cast(msl::bits<T>, x),                                                          \
        false,                                                                                        \
        __ATOMIC_RELAXED,                                                                             \
        __ATOMIC_RELAXED);                                                                            \
    *expected = __builtin_bit_cast(T, seen);                                                          \
    return done;                                                                                      \
  }                                                                                                   \
  MSL_FETCH(space, add, return __atomic_fetch_add(&object->value, x, __ATOMIC_RELAXED);)              \
  MSL_FETCH(space, sub, return __atomic_fetch_sub(&object->value, x, __ATOMIC_RELAXED);)              \
  MSL_FETCH_BITS(space, and)                                                                          \
  MSL_FETCH_BITS(space, or)                                                                           \
  MSL_FETCH_BITS(space, xor)                                                                          \
  MSL_FETCH_ORDERED(space, max, >)                                                                    \
  MSL_FETCH_ORDERED(space, min, <)

MSL_ATOMICS(device)
MSL_ATOMICS(threadgroup)
#undef MSL_BITS
#undef MSL_FETCH
#undef MSL_FETCH_BITS
#undef MSL_FETCH_ORDERED
#undef MSL_ATOMICS
}  // namespace metal

// Macros, because OpenCL has global types of these names.
#define atomic_bool atomic<bool>
#define atomic_int atomic<int>
#define atomic_uint atomic<uint>
#define atomic_long atomic<long>
#define atomic_ulong atomic<ulong>
#define atomic_float atomic<float>
