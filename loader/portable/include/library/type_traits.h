// <metal_type_traits>, a line a trait, with clang's word for it; MSL_ASK is what the compiler says of T. half and
// bfloat count as floating point whatever the compiler takes them for.
#pragma once

namespace msl {
template <typename T>
struct given_type {
  using type = T;
};
// T, for an argument that follows another's type instead of choosing it: `atomic_store_explicit(p, 0, ...)` compiles.
template <typename T>
using given = typename given_type<T>::type;
}  // namespace msl

namespace metal {
MSL_TRANSFORM(add_const, const T)
MSL_TRANSFORM(add_pointer, __remove_reference_t(T)*)
MSL_TRANSFORM(decay, metal::remove_addrspace_t<__decay(T)>)
MSL_TRANSFORM(make_signed, __make_signed(T))
MSL_TRANSFORM(make_unsigned, __make_unsigned(T))
MSL_TRANSFORM(remove_const, msl::bare<__remove_const(T)>)
MSL_TRANSFORM(remove_cv, msl::bare<__remove_cv(T)>)
MSL_TRANSFORM(remove_cvref, msl::bare<__remove_cvref(T)>)
MSL_TRANSFORM(remove_extent, __remove_extent(T))
MSL_TRANSFORM(remove_pointer, __remove_pointer(T))
MSL_TRANSFORM(remove_reference, msl::bare<__remove_reference_t(T)>)
MSL_TRANSFORM(remove_volatile, msl::bare<__remove_volatile(T)>)
MSL_TRANSFORM(underlying_type, __underlying_type(T))

MSL_TRAIT(is_aggregate)
MSL_TRAIT(is_array)
MSL_TRAIT(is_const)
MSL_TRAIT(is_enum)
MSL_TRAIT(is_function)
MSL_TRAIT(is_integral)
MSL_TRAIT(is_lvalue_reference)
MSL_TRAIT(is_object)
MSL_TRAIT(is_pointer)
MSL_TRAIT(is_reference)
MSL_TRAIT(is_rvalue_reference)
MSL_TRAIT(is_standard_layout)
MSL_TRAIT(is_trivial)
MSL_TRAIT(is_trivially_copyable)
MSL_TRAIT(is_union)
MSL_TRAIT(is_unsigned)
MSL_TRAIT(is_void)
MSL_TRAIT(is_volatile)
MSL_TRAIT_2(is_assignable, __is_assignable(T, U))
MSL_TRAIT_2(is_base_of, __is_base_of(T, U))
MSL_TRAIT_2(is_convertible, __is_convertible(T, U))
MSL_TRAIT_2(is_same, __is_same(msl::bare<T>, msl::bare<U>))

MSL_OWN_TRAIT(is_floating_point, msl::is_float<remove_cv_t<T>>)
MSL_OWN_TRAIT(is_arithmetic, is_integral_v<T> || is_floating_point_v<T>)
MSL_OWN_TRAIT(is_signed, is_floating_point_v<T> || MSL_ASK(is_signed))
MSL_OWN_TRAIT(is_scalar, is_arithmetic_v<T> || MSL_ASK(is_scalar))
MSL_OWN_TRAIT(is_fundamental, is_arithmetic_v<T> || is_void_v<T>)
MSL_OWN_TRAIT(is_class, MSL_ASK(is_class) && !is_arithmetic_v<T>)
MSL_OWN_TRAIT(is_vector, (msl::size<remove_cv_t<T>> > 1))

template <typename T>
METAL_FUNC constexpr void swap(T& a, T& b) {
  T old = a;
  a = b;
  b = old;
}
}  // namespace metal
