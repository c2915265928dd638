// <metal_relational>: conditions are bool, bool vectors, or what clang makes of comparing two vectors.
#pragma once

#include "vector.h"

namespace metal {
/// Whether every component is true.
template <typename V>
bool all(V condition);
/// Whether some component is true.
template <typename V>
bool any(V condition);
/// `b` where the condition is true, else `a`: mind the order.
template <typename T, typename C>
T select(T a, typename type_identity<T>::type b, C condition);
}  // namespace metal
