// What our own headers ask of types, before there are any of Metal's.
#pragma once

namespace msl {
template <bool B, typename T = void>
using enable_if = cuda::std::enable_if_t<B, T>;
template <bool B, typename T, typename F>
using conditional = cuda::std::conditional_t<B, T, F>;
template <typename A, typename B>
constexpr bool is_same = cuda::std::is_same<A, B>::value;
// Numbers that are no class: half and bfloat are not among them.
template <typename T>
constexpr bool is_number = cuda::std::is_arithmetic<T>::value;
}  // namespace msl
