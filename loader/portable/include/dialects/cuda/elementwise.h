// Functions applied to every element; vectors, swizzles and scalars mixed.
#pragma once

#include "type_traits.h"

namespace msl {
// The type of a function's result: that of its vectors, else of its scalars where they agree.
template <typename... A>
struct together;
template <typename A>
struct together<A> {
  using type = plain<A>;
};
template <typename A, typename B, typename... Rest>
struct together<A, B, Rest...> {
  using P = plain<A>;
  using Q = plain<B>;
  using scalar = conditional<is_same<P, Q>, P, decltype(element<A>() + element<B>())>;
  using first = conditional<is_vector<A>, P, conditional<is_vector<B>, Q, scalar>>;
  using type = typename together<first, Rest...>::type;
};
template <typename... A>
using together_t = typename together<A...>::type;

template <typename... A>
constexpr bool all_values = (is_value<A> && ...);
template <typename... A>
constexpr bool all_floats = all_values<A...> && is_float<element<together_t<A...>>>;
template <typename... A>
constexpr bool all_integers = all_values<A...> && is_integer<element<together_t<A...>>>;

// The vector of V's size with elements of type E, or the scalar E.
template <typename V, typename E>
using like = conditional<is_vector<V>, metal::vec<E, is_vector<V> ? size<V> : 2>, E>;

template <typename T, typename U>
METAL_FUNC T cast(const U& x) { return static_cast<T>(x); }
// x with elements of type E.
template <typename E, typename V>
METAL_FUNC like<V, E> to(const V& x) { return static_cast<like<V, E>>(x); }

// f of each element of type E of the arguments, as R; vectors of other elements convert first.
template <typename R, typename E, typename F, typename... A>
R map(F f, const A&... x) {
  if constexpr (is_vector<R>) {
    R r;
#pragma unroll
    for (int i = 0; i < size<R>; ++i) r[i] = static_cast<element<R>>(f(static_cast<E>(at(x, i))...));
    return r;
  } else {
    return static_cast<R>(f(static_cast<E>(x)...));
  }
}

// What sums are accumulated in, and small floats computed in.
template <typename T>
using wide = conditional<is_small<T>, float, T>;
}  // namespace msl

// A function of floats or of integers, of any width; E is the type of the result's elements.
#define MSL_FUNCTION_OF(all, computed, name, ...)                            \
  template <typename... A, msl::enable_if<msl::all<A...>, int> = 0>          \
  msl::together_t<A...> name(const A&... x) {                                \
    using E = msl::element<msl::together_t<A...>>;                           \
    return msl::map<msl::together_t<A...>, computed>(__VA_ARGS__, x...);     \
  }
// Small floats are computed in float and rounded once.
#define MSL_FLOAT_FUNCTION(name, ...) MSL_FUNCTION_OF(all_floats, float, name, __VA_ARGS__)
#define MSL_INTEGER_FUNCTION(name, ...) MSL_FUNCTION_OF(all_integers, E, name, __VA_ARGS__)
