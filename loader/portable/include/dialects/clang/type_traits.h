// Traits of a compiler without a standard library.
#pragma once

#include "types.h"

namespace metal {
template <typename T, T V>
struct integral_constant {
  using value_type = T;
  using type = integral_constant;
  static constexpr constant T value = V;
  constexpr operator T() const { return V; }
  constexpr T operator()() const { return V; }
};
template <bool B>
using bool_constant = integral_constant<bool, B>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool B, typename T = void>
struct enable_if {};
template <typename T>
struct enable_if<true, T> {
  using type = T;
};
template <bool B, typename T = void>
using enable_if_t = typename enable_if<B, T>::type;

template <bool B, typename T, typename F>
struct conditional {
  using type = T;
};
template <typename T, typename F>
struct conditional<false, T, F> {
  using type = F;
};
template <bool B, typename T, typename F>
using conditional_t = typename conditional<B, T, F>::type;

#define MSL_REMOVE_SPACE(space)     \
  template <typename T>             \
  struct remove_addrspace<space T> { \
    using type = T;                 \
  };
template <typename T>
struct remove_addrspace {
  using type = T;
};
MSL_REMOVE_SPACE(__global)
MSL_REMOVE_SPACE(__constant)
MSL_REMOVE_SPACE(__local)
MSL_REMOVE_SPACE(__private)
#undef MSL_REMOVE_SPACE
template <typename T>
using remove_addrspace_t = typename remove_addrspace<T>::type;

// The struct and its _v, the struct and its _t.
#define MSL_ASK(name) __##name(T)
#define MSL_OWN_TRAIT(name, ...)                  \
  template <typename T>                           \
  constexpr constant bool name##_v = __VA_ARGS__; \
  template <typename T>                           \
  struct name : bool_constant<name##_v<T>> {};
#define MSL_TRAIT(name) MSL_OWN_TRAIT(name, __##name(T))
#define MSL_TRAIT_2(name, ...)                    \
  template <typename T, typename U>               \
  constexpr constant bool name##_v = __VA_ARGS__; \
  template <typename T, typename U>               \
  struct name : bool_constant<name##_v<T, U>> {};
#define MSL_TRANSFORM(name, ...) \
  template <typename T>          \
  struct name {                  \
    using type = __VA_ARGS__;    \
  };                             \
  template <typename T>          \
  using name##_t = typename name<T>::type;
}  // namespace metal

#include "../../library/type_traits.h"

namespace metal {
template <typename T, typename... A>
constexpr constant bool is_constructible_v = __is_constructible(T, A...);
template <typename T, typename... A>
struct is_constructible : bool_constant<is_constructible_v<T, A...>> {};

template <typename... T>
struct conjunction : bool_constant<(true && ... && T::value)> {};
template <typename... T>
struct disjunction : bool_constant<(false || ... || T::value)> {};
template <typename T>
struct negation : bool_constant<!T::value> {};
template <typename... T>
constexpr constant bool conjunction_v = conjunction<T...>::value;
template <typename... T>
constexpr constant bool disjunction_v = disjunction<T...>::value;
template <typename T>
constexpr constant bool negation_v = negation<T>::value;

template <typename T>
T&& declval();

template <typename T, T... I>
struct integer_sequence {
  using value_type = T;
  static constexpr size_t size() { return sizeof...(I); }
};
template <size_t... I>
using index_sequence = integer_sequence<size_t, I...>;
template <typename T, T N>
using make_integer_sequence = __make_integer_seq<integer_sequence, T, N>;
template <size_t N>
using make_index_sequence = make_integer_sequence<size_t, N>;
}  // namespace metal
