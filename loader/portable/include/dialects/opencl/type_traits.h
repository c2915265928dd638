// Type traits, as <metal_type_traits> names them.
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

// A trait of one type: the struct and its _v.
#define MSL_TRAIT(name, ...)                               \
  template <typename T>                                    \
  constexpr constant bool name##_v = __VA_ARGS__;          \
  template <typename T>                                    \
  struct name : bool_constant<name##_v<T>> {};
#define MSL_TRAIT_2(name, ...)                             \
  template <typename T, typename U>                        \
  constexpr constant bool name##_v = __VA_ARGS__;          \
  template <typename T, typename U>                        \
  struct name : bool_constant<name##_v<T, U>> {};

MSL_TRAIT(is_void, __is_void(T))
MSL_TRAIT(is_const, __is_const(T))
MSL_TRAIT(is_volatile, __is_volatile(T))
MSL_TRAIT(is_array, __is_array(T))
MSL_TRAIT(is_pointer, __is_pointer(T))
MSL_TRAIT(is_reference, __is_reference(T))
MSL_TRAIT(is_lvalue_reference, __is_lvalue_reference(T))
MSL_TRAIT(is_rvalue_reference, __is_rvalue_reference(T))
MSL_TRAIT(is_enum, __is_enum(T))
MSL_TRAIT(is_union, __is_union(T))
MSL_TRAIT(is_class, __is_class(T))
MSL_TRAIT(is_function, __is_function(T))
MSL_TRAIT(is_trivially_copyable, __is_trivially_copyable(T))
MSL_TRAIT(is_standard_layout, __is_standard_layout(T))
MSL_TRAIT_2(is_same, __is_same(msl::bare<T>, msl::bare<U>))
MSL_TRAIT_2(is_base_of, __is_base_of(T, U))
MSL_TRAIT_2(is_convertible, __is_convertible(T, U))
MSL_TRAIT_2(is_assignable, __is_assignable(T, U))
template <typename T, typename... A>
constexpr constant bool is_constructible_v = __is_constructible(T, A...);
template <typename T, typename... A>
struct is_constructible : bool_constant<is_constructible_v<T, A...>> {};

MSL_TRAIT(is_floating_point, msl::same<msl::bare<__remove_cv(T)>, float> ||
                                 msl::same<msl::bare<__remove_cv(T)>, half> ||
                                 msl::same<msl::bare<__remove_cv(T)>, bfloat>)
MSL_TRAIT(is_integral, __is_integral(T))
MSL_TRAIT(is_arithmetic, is_integral_v<T> || is_floating_point_v<T>)
MSL_TRAIT(is_signed, is_floating_point_v<T> || __is_signed(T))
MSL_TRAIT(is_unsigned, __is_unsigned(T))
MSL_TRAIT(is_scalar, __is_scalar(T) || is_floating_point_v<T>)
MSL_TRAIT(is_fundamental, is_arithmetic_v<T> || is_void_v<T>)
MSL_TRAIT(is_vector, (msl::shape<msl::bare<__remove_cv(T)>>::size > 1))

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

// A type made from another: the struct and its _t.
#define MSL_TRANSFORM(name, ...)        \
  template <typename T>                 \
  struct name {                         \
    using type = __VA_ARGS__;           \
  };                                    \
  template <typename T>                 \
  using name##_t = typename name<T>::type;

MSL_TRANSFORM(remove_const, msl::bare<__remove_const(T)>)
MSL_TRANSFORM(remove_volatile, msl::bare<__remove_volatile(T)>)
MSL_TRANSFORM(remove_cv, msl::bare<__remove_cv(T)>)
MSL_TRANSFORM(remove_reference, msl::bare<__remove_reference_t(T)>)
MSL_TRANSFORM(remove_cvref, msl::bare<__remove_cvref(T)>)
MSL_TRANSFORM(remove_pointer, __remove_pointer(T))
MSL_TRANSFORM(remove_extent, __remove_extent(T))
MSL_TRANSFORM(add_const, const T)
MSL_TRANSFORM(add_pointer, __remove_reference_t(T)*)
MSL_TRANSFORM(decay, msl::bare<__decay(T)>)
MSL_TRANSFORM(make_signed, __make_signed(T))
MSL_TRANSFORM(make_unsigned, __make_unsigned(T))
MSL_TRANSFORM(underlying_type, __underlying_type(T))

#undef MSL_TRAIT
#undef MSL_TRAIT_2
#undef MSL_TRANSFORM

template <typename T>
constexpr __remove_reference_t(T) && move(T&& x) {
  return (__remove_reference_t(T)&&)x;
}
template <typename T>
constexpr T&& forward(__remove_reference_t(T) & x) {
  return (T&&)x;
}
template <typename T>
METAL_FUNC constexpr void swap(T& a, T& b) {
  T old = a;
  a = b;
  b = old;
}
template <typename T>
T&& declval();
template <typename T>
struct remove_addrspace {
  using type = T;
};
template <typename T>
struct remove_addrspace<__global T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<__constant T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<__local T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<__private T> {
  using type = T;
};
template <typename T>
using remove_addrspace_t = typename remove_addrspace<T>::type;

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
