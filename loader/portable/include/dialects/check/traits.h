// <metal_type_traits>, with what Metal has beside the traits that the engines know.
#pragma once

#include "types.h"
#include "../clang/type_traits.h"

namespace metal {
template <typename T>
using vector_traits = msl::shape<T>;
template <typename T>
using element_t = msl::element<T>;

MSL_OWN_TRAIT(is_default_constructible, __is_constructible(T))
MSL_OWN_TRAIT(is_packed_vector, false)
MSL_OWN_TRAIT(is_scalar_or_vector, is_scalar_v<element_t<remove_cv_t<T>>>)
template <typename T>
struct type_identity {
  using type = T;
};
template <typename T>
using type_identity_t = typename type_identity<T>::type;
template <typename F, typename... A>
using invoke_result_t = decltype(declval<F>()(declval<A>()...));
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
// As the library calls them inside.
template <typename... B>
using _disjunction = disjunction<B...>;
template <typename... B>
using _conjunction = conjunction<B...>;
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
