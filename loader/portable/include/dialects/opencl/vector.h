// Vector constructors: `float4(xyz, w)`, `half2(0)`, `int3(float3(...))`.
#pragma once

#include "convert.h"

namespace metal {
template <typename V, typename... A>
METAL_FUNC constexpr V make_vector(A... parts) {
  using E = msl::element<V>;
  if constexpr (sizeof...(A) == 0) {
    return V(E(0));
  } else if constexpr (sizeof...(A) == 1) {
    return V(msl::to<E>(parts...));
  } else {
    return V{msl::to<E>(parts)...};
  }
}
}  // namespace metal

namespace msl {
/// The vector that a list in braces stands for: what it leaves out is 0.
template <typename V, typename... A>
METAL_FUNC constexpr V filled(A... parts) {
  const element<V> given[] = {to<element<V>>(parts)..., element<V>(0)};
  V v = V(element<V>(0));
  for (int i = 0; i < (int)sizeof...(A); ++i) v[i] = given[i];
  return v;
}
}  // namespace msl

#define float2(...) make_vector<float2>(__VA_ARGS__)
#define float3(...) make_vector<float3>(__VA_ARGS__)
#define float4(...) make_vector<float4>(__VA_ARGS__)
#define half2(...) make_vector<half2>(__VA_ARGS__)
#define half3(...) make_vector<half3>(__VA_ARGS__)
#define half4(...) make_vector<half4>(__VA_ARGS__)
#define bfloat2(...) make_vector<bfloat2>(__VA_ARGS__)
#define bfloat3(...) make_vector<bfloat3>(__VA_ARGS__)
#define bfloat4(...) make_vector<bfloat4>(__VA_ARGS__)
#define char2(...) make_vector<char2>(__VA_ARGS__)
#define char3(...) make_vector<char3>(__VA_ARGS__)
#define char4(...) make_vector<char4>(__VA_ARGS__)
#define uchar2(...) make_vector<uchar2>(__VA_ARGS__)
#define uchar3(...) make_vector<uchar3>(__VA_ARGS__)
#define uchar4(...) make_vector<uchar4>(__VA_ARGS__)
#define short2(...) make_vector<short2>(__VA_ARGS__)
#define short3(...) make_vector<short3>(__VA_ARGS__)
#define short4(...) make_vector<short4>(__VA_ARGS__)
#define ushort2(...) make_vector<ushort2>(__VA_ARGS__)
#define ushort3(...) make_vector<ushort3>(__VA_ARGS__)
#define ushort4(...) make_vector<ushort4>(__VA_ARGS__)
#define int2(...) make_vector<int2>(__VA_ARGS__)
#define int3(...) make_vector<int3>(__VA_ARGS__)
#define int4(...) make_vector<int4>(__VA_ARGS__)
#define uint2(...) make_vector<uint2>(__VA_ARGS__)
#define uint3(...) make_vector<uint3>(__VA_ARGS__)
#define uint4(...) make_vector<uint4>(__VA_ARGS__)
#define long2(...) make_vector<long2>(__VA_ARGS__)
#define long3(...) make_vector<long3>(__VA_ARGS__)
#define long4(...) make_vector<long4>(__VA_ARGS__)
#define ulong2(...) make_vector<ulong2>(__VA_ARGS__)
#define ulong3(...) make_vector<ulong3>(__VA_ARGS__)
#define ulong4(...) make_vector<ulong4>(__VA_ARGS__)
