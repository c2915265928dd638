// <metal_pack>.
#pragma once

#include "vector.h"

namespace metal {
float4 unpack_unorm4x8_to_float(uint x);
float4 unpack_snorm4x8_to_float(uint x);
float2 unpack_unorm2x16_to_float(uint x);
float2 unpack_snorm2x16_to_float(uint x);
half4 unpack_unorm4x8_to_half(uint x);
half4 unpack_snorm4x8_to_half(uint x);
uint pack_float_to_unorm4x8(float4 x);
uint pack_float_to_snorm4x8(float4 x);
uint pack_float_to_unorm2x16(float2 x);
uint pack_float_to_snorm2x16(float2 x);
uint pack_half_to_unorm4x8(half4 x);
uint pack_half_to_snorm4x8(half4 x);
}  // namespace metal
