// Type traits: those of CUDA's standard library.
#pragma once

#include "vector.h"

namespace metal {
#define MSL_USING(name) using cuda::std::name;
MSL_USING(bool_constant)
MSL_USING(integral_constant)
MSL_USING(true_type)
MSL_USING(false_type)
MSL_USING(declval)
MSL_USING(forward)
MSL_USING(move)
#define MSL_TRAIT(name) MSL_USING(name) MSL_USING(name##_v)
#define MSL_TRAIT_2(name, ...) MSL_TRAIT(name)
#define MSL_TRANSFORM(name, ...) MSL_USING(name) MSL_USING(name##_t)
MSL_TRAIT(conjunction)
MSL_TRAIT(disjunction)
MSL_TRAIT(negation)
MSL_TRAIT(is_constructible)
MSL_TRANSFORM(enable_if)
MSL_TRANSFORM(conditional)
#define MSL_ASK(name) cuda::std::name##_v<T>
// The traits that half and bfloat, classes here, would answer wrongly.
#define MSL_OWN_TRAIT(name, ...)         \
  template <typename T>                  \
  constexpr bool name##_v = __VA_ARGS__; \
  template <typename T>                  \
  struct name : bool_constant<name##_v<T>> {};
}  // namespace metal

#include "../../library/type_traits.h"
