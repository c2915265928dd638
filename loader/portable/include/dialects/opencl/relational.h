// The relational functions: tests of floats, any, all, select.
#pragma once

#include "bool_vector.h"

namespace msl {
template <int N>
struct truth_of {
  using type = metal::bool_vector<N>;
};
template <>
struct truth_of<1> {
  using type = bool;
};
template <typename T>
using truth = typename truth_of<shape<T>::size>::type;
}  // namespace msl

namespace metal {
#define MSL_TEST_1(f, T) \
  MSL_FN msl::truth<T> f(T x) { return msl::truth<T>(::f(msl::widen(x))); }
#define MSL_TEST_2(f, T) \
  MSL_FN msl::truth<T> f(T x, T y) { return msl::truth<T>(::f(msl::widen(x), msl::widen(y))); }
MSL_FLOATS(MSL_TEST_1, isfinite)
MSL_FLOATS(MSL_TEST_1, isinf)
MSL_FLOATS(MSL_TEST_1, isnan)
MSL_FLOATS(MSL_TEST_2, isordered)
MSL_FLOATS(MSL_TEST_2, isunordered)

// These two look at bits that widening changes.
#define MSL_TEST_BITS(_, T)                                                                       \
  MSL_FN msl::truth<T> isnormal(T x) {                                                            \
    auto size = ::fabs(msl::widen(x));                                                            \
    auto smallest = (decltype(size))(float)numeric_limits<msl::element<T>>::min();                \
    return msl::truth<T>((size >= smallest) & (size < (decltype(size))__builtin_inff()));         \
  }                                                                                               \
  MSL_FN msl::truth<T> signbit(T x) { return msl::truth<T>(::signbit(msl::widen(x))); }
MSL_FLOATS(MSL_TEST_BITS, )
#undef MSL_TEST_1
#undef MSL_TEST_2
#undef MSL_TEST_BITS

METAL_FUNC bool any(bool x) { return x; }
METAL_FUNC bool all(bool x) { return x; }
template <int N>
METAL_FUNC bool any(bool_vector<N> v) {
  bool r = v[0];
  for (int i = 1; i < N; ++i) r |= v[i];
  return r;
}
template <int N>
METAL_FUNC bool all(bool_vector<N> v) {
  bool r = v[0];
  for (int i = 1; i < N; ++i) r &= v[i];
  return r;
}
template <typename T, int N>
METAL_FUNC bool any(vec<T, N> v) { return any(bool_vector<N>(v)); }
template <typename T, int N>
METAL_FUNC bool all(vec<T, N> v) { return all(bool_vector<N>(v)); }

template <typename T>
METAL_FUNC T select(T no, T yes, bool condition) { return condition ? yes : no; }
template <typename T, typename Condition, int N>
METAL_FUNC vec<T, N> select(vec<T, N> no, vec<T, N> yes, vec<Condition, N> condition) {
  for (int i = 0; i < N; ++i) no[i] = condition[i] ? yes[i] : no[i];
  return no;
}
template <typename T, int N>
METAL_FUNC vec<T, N> select(vec<T, N> no, vec<T, N> yes, bool_vector<N> condition) {
  for (int i = 0; i < N; ++i) no[i] = condition[i] ? yes[i] : no[i];
  return no;
}
}  // namespace metal
