// Atomic types and functions, in device and threadgroup memory.
#pragma once

#include "sync.h"
#include "type_traits.h"

namespace metal {
template <typename T>
struct atomic {
  T value;
};
using atomic_bool = atomic<bool>;
using atomic_int = atomic<int>;
using atomic_uint = atomic<uint>;
using atomic_long = atomic<long>;
using atomic_ulong = atomic<ulong>;
using atomic_float = atomic<float>;
}  // namespace metal

namespace msl {
// The type of T's bits, as CUDA's atomic functions have it.
template <typename T>
using bits_of = conditional<sizeof(T) == 8, unsigned long long, unsigned int>;

template <typename N, typename T>
N* address(volatile metal::atomic<T>* object) { return (N*)(void*)object; }

// Replaces `seen` by `x` where it is still there; returns what was there. A bool is swapped with its word.
template <typename T>
T swap_if(volatile metal::atomic<T>* object, T seen, T x) {
  if constexpr (sizeof(T) == 1) {
    const ulong at = (ulong)object;
    uint* word = (uint*)(at & ~3ul);
    const uint shift = (at & 3) * 8, mask = 0xffu << shift;
    uint old = *(volatile uint*)word, found;
    do {
      found = old;
      if ((found >> shift & 0xff) != (uint)seen) return (T)(found >> shift & 0xff);
      old = atomicCAS(word, found, (found & ~mask) | (uint)x << shift);
    } while (old != found);
    return seen;
  } else {
    using B = bits_of<T>;
    return bits_as<T>((B)atomicCAS(address<B>(object), bits_as<B>(seen), bits_as<B>(x)));
  }
}
// As bits, so that a NaN is found again.
template <typename T>
bool differ(T a, T b) {
  if constexpr (sizeof(T) == 1) {
    return a != b;
  } else {
    return bits_as<bits_of<T>>(a) != bits_as<bits_of<T>>(b);
  }
}
template <typename T, typename F>
T update(volatile metal::atomic<T>* object, F f) {
  T old = object->value, seen;
  do {
    seen = old;
    old = swap_if(object, seen, f(seen));
  } while (differ(old, seen));
  return old;
}
}  // namespace msl

namespace metal {
template <typename T>
T atomic_load_explicit(const volatile atomic<T>* object, memory_order) { return object->value; }
template <typename T>
void atomic_store_explicit(volatile atomic<T>* object, msl::given<T> x, memory_order) { object->value = x; }
template <typename T>
T atomic_exchange_explicit(volatile atomic<T>* object, msl::given<T> x, memory_order) {
  return msl::update(object, [=](T) { return x; });
}
template <typename T>
bool atomic_compare_exchange_weak_explicit(
    volatile atomic<T>* object, msl::given<T>* expected, msl::given<T> x, memory_order, memory_order) {
  const T seen = msl::swap_if(object, *expected, x);
  const bool done = !msl::differ(seen, *expected);
  *expected = seen;
  return done;
}

#define MSL_FETCH(name, ...)                                                                     \
  template <typename T>                                                                          \
  T atomic_fetch_##name##_explicit(volatile atomic<T>* object, msl::given<T> x, memory_order) {  \
    __VA_ARGS__                                                                                  \
  }
#define MSL_ORDERED(name, better)                                                                  \
  MSL_FETCH(name, return msl::update(object, [=](T old) { return x better old ? x : old; });)      \
  template <typename T>                                                                            \
  void atomic_##name##_explicit(volatile atomic<T>* object, msl::given<T> x, memory_order order) { \
    atomic_fetch_##name##_explicit(object, x, order);                                              \
  }
#define MSL_BITWISE(name, function)                                                                    \
  MSL_FETCH(name, using B = msl::bits_of<T>; return (T)function(msl::address<B>(object), (B)x);)
// CUDA adds to 64 bits as unsigned ones.
#define MSL_ADDEND msl::conditional<sizeof(T) == 8, unsigned long long, T>
MSL_FETCH(add, return (T)atomicAdd(msl::address<MSL_ADDEND>(object), (MSL_ADDEND)x);)
MSL_FETCH(sub, return (T)atomicAdd(msl::address<MSL_ADDEND>(object), (MSL_ADDEND)(-x));)
MSL_BITWISE(and, atomicAnd)
MSL_BITWISE(or, atomicOr)
MSL_BITWISE(xor, atomicXor)
MSL_ORDERED(max, >)
MSL_ORDERED(min, <)
#undef MSL_FETCH
#undef MSL_ORDERED
#undef MSL_BITWISE
#undef MSL_ADDEND
}  // namespace metal
