// <metal_type_traits>, with the few that the declarations here are written in.
#pragma once

#include "types.h"

namespace metal {
template <typename T, T v>
struct integral_constant {
  static constexpr constant T value = v;
  using value_type = T;
  using type = integral_constant;
  constexpr operator T() const { return v; }
  constexpr T operator()() const { return v; }
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
template <bool B, typename T, typename F>
struct conditional {
  using type = T;
};
template <typename T, typename F>
struct conditional<false, T, F> {
  using type = F;
};
#define MSL_REMOVE(name, from)       \
  template <typename T>              \
  struct name {                      \
    using type = T;                  \
  };                                 \
  template <typename T>              \
  struct name<from> {                \
    using type = T;                  \
  };                                 \
  template <typename T>              \
  using name##_t = typename name<T>::type;
MSL_REMOVE(remove_const, const T)
MSL_REMOVE(remove_volatile, volatile T)
MSL_REMOVE(remove_pointer, T*)
#undef MSL_REMOVE
template <typename T>
struct remove_reference {
  using type = T;
};
template <typename T>
struct remove_reference<T&> {
  using type = T;
};
template <typename T>
struct remove_reference<T&&> {
  using type = T;
};
template <typename T>
struct remove_addrspace {
  using type = T;
};
template <typename T>
struct remove_addrspace<device T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<constant T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<threadgroup T> {
  using type = T;
};
template <typename T>
struct remove_addrspace<thread T> {
  using type = T;
};
template <typename T>
struct remove_cv {
  using type = remove_volatile_t<remove_const_t<T>>;
};
template <bool B, typename T = void>
using enable_if_t = typename enable_if<B, T>::type;
template <bool B, typename T, typename F>
using conditional_t = typename conditional<B, T, F>::type;
template <typename T>
using remove_reference_t = typename remove_reference<T>::type;
template <typename T>
using remove_addrspace_t = typename remove_addrspace<T>::type;
template <typename T>
using remove_cv_t = typename remove_cv<T>::type;
template <typename T>
struct decay {
  using type = remove_cv_t<remove_addrspace_t<remove_reference_t<T>>>;
};
template <typename T>
using decay_t = typename decay<T>::type;

template <typename A, typename B>
struct is_same : bool_constant<__is_same(A, B)> {};
template <typename A, typename B>
struct is_convertible : bool_constant<__is_convertible(A, B)> {};
template <typename A, typename B>
struct is_base_of : bool_constant<__is_base_of(A, B)> {};
template <typename A, typename B>
constexpr constant bool is_same_v = is_same<A, B>::value;
template <typename A, typename B>
constexpr constant bool is_convertible_v = is_convertible<A, B>::value;
template <typename A, typename B>
constexpr constant bool is_base_of_v = is_base_of<A, B>::value;

template <typename T>
struct vector_traits {
  using element = T;
  static constexpr constant int size = 1;
};
template <typename T, int N>
struct vector_traits<T __attribute__((ext_vector_type(N)))> {
  using element = T;
  static constexpr constant int size = N;
};
template <typename T>
using element_t = typename vector_traits<T>::element;

#define MSL_TRAIT(name, ...)                                        \
  template <typename T>                                             \
  struct name : bool_constant<__VA_ARGS__> {};                      \
  template <typename T>                                             \
  constexpr constant bool name##_v = name<T>::value;
MSL_TRAIT(is_floating_point, is_same_v<remove_cv_t<T>, float> || is_same_v<remove_cv_t<T>, half> ||
                                 is_same_v<remove_cv_t<T>, bfloat>)
MSL_TRAIT(is_integral, __is_integral(T))
MSL_TRAIT(is_arithmetic, is_integral_v<T> || is_floating_point_v<T>)
MSL_TRAIT(is_scalar, is_arithmetic_v<T> || __is_enum(T) || __is_pointer(T))
MSL_TRAIT(is_signed, is_floating_point_v<T> || (__is_integral(T) && __is_signed(T)))
MSL_TRAIT(is_unsigned, __is_unsigned(T))
MSL_TRAIT(is_vector, vector_traits<remove_cv_t<T>>::size != 1)
MSL_TRAIT(is_pointer, __is_pointer(T))
MSL_TRAIT(is_const, __is_const(T))
MSL_TRAIT(is_enum, __is_enum(T))
MSL_TRAIT(is_class, __is_class(T))
MSL_TRAIT(is_void, __is_void(T))
MSL_TRAIT(is_union, __is_union(T))
MSL_TRAIT(is_array, __is_array(T))
MSL_TRAIT(is_function, __is_function(T))
MSL_TRAIT(is_reference, __is_reference(T))
MSL_TRAIT(is_lvalue_reference, __is_lvalue_reference(T))
MSL_TRAIT(is_rvalue_reference, __is_rvalue_reference(T))
MSL_TRAIT(is_volatile, __is_volatile(T))
MSL_TRAIT(is_fundamental, __is_fundamental(T) || is_floating_point_v<T>)
MSL_TRAIT(is_object, __is_object(T))
MSL_TRAIT(is_aggregate, __is_aggregate(T))
MSL_TRAIT(is_trivial, __is_trivial(T))
MSL_TRAIT(is_standard_layout, __is_standard_layout(T))
MSL_TRAIT(is_trivially_copyable, __is_trivially_copyable(T))
MSL_TRAIT(is_default_constructible, __is_constructible(T))
MSL_TRAIT(is_packed_vector, false)
MSL_TRAIT(is_scalar_or_vector, is_scalar_v<element_t<remove_cv_t<T>>>)
#undef MSL_TRAIT

template <typename T, typename... A>
struct is_constructible : bool_constant<__is_constructible(T, A...)> {};
template <typename T, typename... A>
constexpr constant bool is_constructible_v = is_constructible<T, A...>::value;
template <typename B>
struct negation : bool_constant<!B::value> {};
template <typename... B>
constexpr constant bool conjunction_v = (true && ... && (bool)B::value);
template <typename... B>
constexpr constant bool disjunction_v = (false || ... || (bool)B::value);
template <typename B>
constexpr constant bool negation_v = !(bool)B::value;
template <typename T>
struct add_const {
  using type = const T;
};
template <typename T>
using add_const_t = const T;
template <typename T>
struct type_identity {
  using type = T;
};
template <typename T>
using type_identity_t = T;
template <typename F, typename... A>
struct result_of {
  using type = decltype(declval<F>()(declval<A>()...));
};
template <typename F, typename... A>
using invoke_result_t = typename result_of<F, A...>::type;
template <typename... T>
struct common_type {
  using type = decltype((... , declval<T>()));
};
template <typename T, typename U>
struct common_type<T, U> {
  using type = remove_cv_t<remove_reference_t<decltype(true ? declval<T>() : declval<U>())>>;
};
template <typename... T>
using common_type_t = typename common_type<T...>::type;
template <typename T>
struct alignment_of : integral_constant<size_t, alignof(T)> {};
template <typename T>
struct rank : integral_constant<size_t, 0> {};
template <typename T>
struct remove_extent {
  using type = T;
};
template <typename T, size_t N>
struct remove_extent<T[N]> {
  using type = T;
};
template <typename T>
using remove_extent_t = typename remove_extent<T>::type;

template <typename T>
struct make_unsigned {
  using type = __make_unsigned(T);
};
template <typename T>
struct make_signed {
  using type = __make_signed(T);
};
template <typename T>
struct underlying_type {
  using type = __underlying_type(T);
};
template <typename T>
using make_unsigned_t = typename make_unsigned<T>::type;
template <typename T>
using make_signed_t = typename make_signed<T>::type;
template <typename T>
using underlying_type_t = typename underlying_type<T>::type;
template <typename... B>
struct conjunction : bool_constant<(true && ... && B::value)> {};
template <typename... B>
struct disjunction : bool_constant<(false || ... || B::value)> {};
// As the library calls them inside.
template <typename... B>
using _disjunction = disjunction<B...>;
template <typename... B>
using _conjunction = conjunction<B...>;
template <typename T>
T declval() noexcept;

template <typename T>
struct make_scalar {
  using type = element_t<remove_cv_t<T>>;
};
template <typename T>
using make_scalar_t = typename make_scalar<T>::type;
template <typename T, int N>
struct make_vector_type {
  using type = vec<T, N>;
};
template <typename T>
struct make_vector_type<T, 1> {
  using type = T;
};
template <typename T, int N>
using vec_t = typename make_vector_type<T, N>::type;
template <typename T>
constexpr constant int vec_size = vector_traits<T>::size;

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
template <typename... T>
using index_sequence_for = make_index_sequence<sizeof...(T)>;

template <typename T>
struct initializer_list {
  size_t size() const;
  const thread T* begin() const;
  const thread T* end() const;
};

// As the library calls them inside.
template <typename T>
struct vec_elements : integral_constant<int, vector_traits<remove_cv_t<T>>::size> {};
template <typename T>
struct __is_valid_simdgroup_type
    : bool_constant<is_arithmetic_v<element_t<T>> && !is_same_v<T, bool> && sizeof(element_t<T>) <= 4> {};
}  // namespace metal
