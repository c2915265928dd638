// Packing of normalized floats into integers, and back.
#pragma once

namespace msl {
// x in [0, 1], or [-1, 1], as an integer of `bits` bits, to the nearest.
METAL_FUNC uint to_unorm(float x, uint bits) {
  return (uint)metal::rint(metal::saturate(x) * (float)((1u << bits) - 1));
}
METAL_FUNC uint to_snorm(float x, uint bits) {
  int n = (int)metal::rint(metal::clamp(x, -1.0f, 1.0f) * (float)((1u << (bits - 1)) - 1));
  return (uint)n & ((1u << bits) - 1);
}
METAL_FUNC float from_unorm(uint p, uint shift, uint bits) {
  return (float)metal::extract_bits(p, shift, bits) / (float)((1u << bits) - 1);
}
METAL_FUNC float from_snorm(uint p, uint shift, uint bits) {
  return metal::fmax((float)metal::extract_bits((int)p, shift, bits) / (float)((1u << (bits - 1)) - 1), -1.0f);
}
METAL_FUNC float to_srgb(float x) {
  x = metal::saturate(x);
  return x <= 0.0031308f ? 12.92f * x : 1.055f * metal::pow(x, 1.0f / 2.4f) - 0.055f;
}
METAL_FUNC float from_srgb(float x) {
  return x <= 0.04045f ? x / 12.92f : metal::pow((x + 0.055f) / 1.055f, 2.4f);
}
}  // namespace msl

namespace metal {
// T: float or half. `pack_half_to_...` takes halves.
#define MSL_PACK(T)                                                                                      \
  METAL_FUNC uint pack_##T##_to_unorm4x8(vec<T, 4> v) {                                                  \
    return msl::to_unorm(v.x, 8) | msl::to_unorm(v.y, 8) << 8 | msl::to_unorm(v.z, 8) << 16 |            \
           msl::to_unorm(v.w, 8) << 24;                                                                  \
  }                                                                                                      \
  METAL_FUNC uint pack_##T##_to_snorm4x8(vec<T, 4> v) {                                                  \
    return msl::to_snorm(v.x, 8) | msl::to_snorm(v.y, 8) << 8 | msl::to_snorm(v.z, 8) << 16 |            \
           msl::to_snorm(v.w, 8) << 24;                                                                  \
  }                                                                                                      \
  METAL_FUNC uint pack_##T##_to_srgb_unorm4x8(vec<T, 4> v) {                                             \
    return msl::to_unorm(msl::to_srgb(v.x), 8) | msl::to_unorm(msl::to_srgb(v.y), 8) << 8 |              \
           msl::to_unorm(msl::to_srgb(v.z), 8) << 16 | msl::to_unorm(v.w, 8) << 24;                      \
  }                                                                                                      \
  METAL_FUNC uint pack_##T##_to_unorm2x16(vec<T, 2> v) {                                                 \
    return msl::to_unorm(v.x, 16) | msl::to_unorm(v.y, 16) << 16;                                        \
  }                                                                                                      \
  METAL_FUNC uint pack_##T##_to_snorm2x16(vec<T, 2> v) {                                                 \
    return msl::to_snorm(v.x, 16) | msl::to_snorm(v.y, 16) << 16;                                        \
  }                                                                                                      \
  METAL_FUNC uint pack_##T##_to_unorm10a2(vec<T, 4> v) {                                                 \
    return msl::to_unorm(v.x, 10) | msl::to_unorm(v.y, 10) << 10 | msl::to_unorm(v.z, 10) << 20 |        \
           msl::to_unorm(v.w, 2) << 30;                                                                  \
  }                                                                                                      \
  METAL_FUNC ushort pack_##T##_to_unorm565(vec<T, 3> v) {                                                \
    return (ushort)(msl::to_unorm(v.x, 5) << 11 | msl::to_unorm(v.y, 6) << 5 | msl::to_unorm(v.z, 5));   \
  }                                                                                                      \
  METAL_FUNC vec<T, 4> unpack_unorm4x8_to_##T(uint p) {                                                  \
    return vec<T, 4>{(T)msl::from_unorm(p, 0, 8), (T)msl::from_unorm(p, 8, 8),                           \
                     (T)msl::from_unorm(p, 16, 8), (T)msl::from_unorm(p, 24, 8)};                        \
  }                                                                                                      \
  METAL_FUNC vec<T, 4> unpack_snorm4x8_to_##T(uint p) {                                                  \
    return vec<T, 4>{(T)msl::from_snorm(p, 0, 8), (T)msl::from_snorm(p, 8, 8),                           \
                     (T)msl::from_snorm(p, 16, 8), (T)msl::from_snorm(p, 24, 8)};                        \
  }                                                                                                      \
  METAL_FUNC vec<T, 4> unpack_unorm4x8_srgb_to_##T(uint p) {                                             \
    return vec<T, 4>{(T)msl::from_srgb(msl::from_unorm(p, 0, 8)), (T)msl::from_srgb(msl::from_unorm(p, 8, 8)), \
                     (T)msl::from_srgb(msl::from_unorm(p, 16, 8)), (T)msl::from_unorm(p, 24, 8)};        \
  }                                                                                                      \
  METAL_FUNC vec<T, 2> unpack_unorm2x16_to_##T(uint p) {                                                 \
    return vec<T, 2>{(T)msl::from_unorm(p, 0, 16), (T)msl::from_unorm(p, 16, 16)};                       \
  }                                                                                                      \
  METAL_FUNC vec<T, 2> unpack_snorm2x16_to_##T(uint p) {                                                 \
    return vec<T, 2>{(T)msl::from_snorm(p, 0, 16), (T)msl::from_snorm(p, 16, 16)};                       \
  }                                                                                                      \
  METAL_FUNC vec<T, 4> unpack_unorm10a2_to_##T(uint p) {                                                 \
    return vec<T, 4>{(T)msl::from_unorm(p, 0, 10), (T)msl::from_unorm(p, 10, 10),                        \
                     (T)msl::from_unorm(p, 20, 10), (T)msl::from_unorm(p, 30, 2)};                       \
  }                                                                                                      \
  METAL_FUNC vec<T, 3> unpack_unorm565_to_##T(ushort p) {                                                \
    return vec<T, 3>{(T)msl::from_unorm(p, 11, 5), (T)msl::from_unorm(p, 5, 6), (T)msl::from_unorm(p, 0, 5)}; \
  }
MSL_PACK(float)
MSL_PACK(half)
#undef MSL_PACK
}  // namespace metal
