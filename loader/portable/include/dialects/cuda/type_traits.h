// Type traits, as <metal_type_traits> names them; half and bfloat count as floating point.
#pragma once

#include "vector.h"

namespace metal {
using cuda::std::bool_constant;
using cuda::std::integral_constant;
using cuda::std::true_type;
using cuda::std::false_type;
using cuda::std::declval;
using cuda::std::forward;
using cuda::std::move;
using cuda::std::conjunction;
using cuda::std::disjunction;
using cuda::std::negation;
using cuda::std::conjunction_v;
using cuda::std::disjunction_v;
using cuda::std::negation_v;
using cuda::std::is_constructible;
using cuda::std::is_constructible_v;

#define MSL_TRAIT(name)      \
  using cuda::std::name;     \
  using cuda::std::name##_v;
MSL_TRAIT(is_void)
MSL_TRAIT(is_const)
MSL_TRAIT(is_volatile)
MSL_TRAIT(is_array)
MSL_TRAIT(is_pointer)
MSL_TRAIT(is_reference)
MSL_TRAIT(is_lvalue_reference)
MSL_TRAIT(is_rvalue_reference)
MSL_TRAIT(is_enum)
MSL_TRAIT(is_union)
MSL_TRAIT(is_function)
MSL_TRAIT(is_trivially_copyable)
MSL_TRAIT(is_standard_layout)
MSL_TRAIT(is_integral)
MSL_TRAIT(is_unsigned)
MSL_TRAIT(is_same)
MSL_TRAIT(is_base_of)
MSL_TRAIT(is_convertible)
MSL_TRAIT(is_assignable)
#undef MSL_TRAIT

// The traits that half and bfloat, classes here, would answer wrongly.
#define MSL_TRAIT(name, ...)                            \
  template <typename T>                                 \
  constexpr bool name##_v = __VA_ARGS__;                \
  template <typename T>                                 \
  struct name : bool_constant<name##_v<T>> {};
MSL_TRAIT(is_floating_point, msl::is_float<cuda::std::remove_cv_t<T>>)
MSL_TRAIT(is_arithmetic, msl::is_scalar<cuda::std::remove_cv_t<T>>)
MSL_TRAIT(is_signed, is_floating_point_v<T> || cuda::std::is_signed_v<T>)
MSL_TRAIT(is_scalar, is_arithmetic_v<T> || cuda::std::is_scalar_v<T>)
MSL_TRAIT(is_fundamental, is_arithmetic_v<T> || is_void_v<T>)
MSL_TRAIT(is_class, cuda::std::is_class_v<T> && !is_arithmetic_v<T>)
MSL_TRAIT(is_vector, msl::is_vector<cuda::std::remove_cv_t<T>>)
#undef MSL_TRAIT

#define MSL_TRANSFORM(name)  \
  using cuda::std::name;     \
  using cuda::std::name##_t;
MSL_TRANSFORM(enable_if)
MSL_TRANSFORM(conditional)
MSL_TRANSFORM(remove_const)
MSL_TRANSFORM(remove_volatile)
MSL_TRANSFORM(remove_cv)
MSL_TRANSFORM(remove_reference)
MSL_TRANSFORM(remove_cvref)
MSL_TRANSFORM(remove_pointer)
MSL_TRANSFORM(remove_extent)
MSL_TRANSFORM(add_const)
MSL_TRANSFORM(add_pointer)
MSL_TRANSFORM(decay)
MSL_TRANSFORM(make_signed)
MSL_TRANSFORM(make_unsigned)
MSL_TRANSFORM(underlying_type)
#undef MSL_TRANSFORM

template <typename T>
void swap(T& a, T& b) {
  T old = a;
  a = b;
  b = old;
}
}  // namespace metal
