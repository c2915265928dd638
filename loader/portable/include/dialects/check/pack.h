// <metal_pack>.
#pragma once

#include "vector.h"

namespace metal {
float4 unpack_unorm4x8_to_float(uint x);
float4 unpack_snorm4x8_to_float(uint x);
float4 unpack_unorm4x8_srgb_to_float(uint x);
float2 unpack_unorm2x16_to_float(uint x);
float2 unpack_snorm2x16_to_float(uint x);
float4 unpack_unorm10a2_to_float(uint x);
float3 unpack_unorm565_to_float(ushort x);
uint pack_float_to_unorm4x8(float4 x);
uint pack_float_to_snorm4x8(float4 x);
uint pack_float_to_srgb_unorm4x8(float4 x);
uint pack_float_to_unorm2x16(float2 x);
uint pack_float_to_snorm2x16(float2 x);
uint pack_float_to_unorm10a2(float4 x);
ushort pack_float_to_unorm565(float3 x);
half4 unpack_unorm4x8_to_half(uint x);
half4 unpack_snorm4x8_to_half(uint x);
half4 unpack_unorm4x8_srgb_to_half(uint x);
half2 unpack_unorm2x16_to_half(uint x);
half2 unpack_snorm2x16_to_half(uint x);
half4 unpack_unorm10a2_to_half(uint x);
half3 unpack_unorm565_to_half(ushort x);
uint pack_half_to_unorm4x8(half4 x);
uint pack_half_to_snorm4x8(half4 x);
uint pack_half_to_srgb_unorm4x8(half4 x);
uint pack_half_to_unorm2x16(half2 x);
uint pack_half_to_snorm2x16(half2 x);
uint pack_half_to_unorm10a2(half4 x);
ushort pack_half_to_unorm565(half3 x);
}  // namespace metal
