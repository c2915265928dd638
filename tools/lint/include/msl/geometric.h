// <metal_geometric>.
#pragma once

#include "vector.h"

namespace metal {
template <typename V>
using element_of_vector = enable_if_t<is_vector_v<V> && is_floating_point_v<element_t<V>>, element_t<V>>;

/// The sum of the products of the components.
template <typename V>
element_of_vector<V> dot(V x, V y);
template <typename V>
element_of_vector<V> length(V x);
template <typename V>
element_of_vector<V> length_squared(V x);
template <typename V>
element_of_vector<V> distance(V x, V y);
template <typename V>
element_of_vector<V> distance_squared(V x, V y);
template <typename V>
V normalize(V x);
float3 cross(float3 x, float3 y);
half3 cross(half3 x, half3 y);
}  // namespace metal
