// <metal_geometric>.
#pragma once

#include "packed.h"

namespace metal {
/// The sum of the products of the components.
template <typename T, int N>
T dot(vec<T, N> x, type_identity_t<vec<T, N>> y);
template <typename T, int N>
T length(vec<T, N> x);
template <typename T, int N>
T length_squared(vec<T, N> x);
template <typename T, int N>
T distance(vec<T, N> x, type_identity_t<vec<T, N>> y);
template <typename T, int N>
T distance_squared(vec<T, N> x, type_identity_t<vec<T, N>> y);
template <typename T, int N>
vec<T, N> normalize(vec<T, N> x);
template <typename T, int N>
vec<T, N> reflect(vec<T, N> incident, type_identity_t<vec<T, N>> normal);
template <typename T, int N>
vec<T, N> refract(vec<T, N> incident, type_identity_t<vec<T, N>> normal, type_identity_t<T> eta);
template <typename T, int N>
vec<T, N> faceforward(vec<T, N> normal, type_identity_t<vec<T, N>> incident, type_identity_t<vec<T, N>> reference);
// Packed vectors become vectors first.
template <typename T, int N>
T dot(packed_vec<T, N> x, type_identity_t<vec<T, N>> y);
template <typename T, int N>
T length(packed_vec<T, N> x);
template <typename T, int N>
T distance(packed_vec<T, N> x, type_identity_t<vec<T, N>> y);
template <typename T, int N>
vec<T, N> normalize(packed_vec<T, N> x);
float3 cross(float3 x, float3 y);
half3 cross(half3 x, half3 y);

#define MSL_ACCURACY(name)     \
  namespace name {             \
  using metal::cross;          \
  using metal::distance;       \
  using metal::dot;            \
  using metal::length;         \
  using metal::normalize;      \
  using metal::refract;        \
  }
MSL_ACCURACY(fast)
MSL_ACCURACY(precise)
#undef MSL_ACCURACY
}  // namespace metal
