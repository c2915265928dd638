// Textures, as far as a compute kernel reads and writes them.
#pragma once

#include "vector.h"

namespace metal {
enum class access { sample, read, write, read_write };
enum class coord { normalized, pixel };
enum class filter { nearest, linear };
enum class address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat };
struct sampler {
  template <typename... A>
  constexpr sampler(A...) {}
};

#define MSL_TEXTURE(name, at, position)                                      \
  template <typename T, access A = access::sample>                           \
  struct name {                                                              \
    vec<T, 4> read(at coordinate, uint level = 0) const;                     \
    void write(vec<T, 4> color, at coordinate, uint level = 0) const;        \
    vec<T, 4> sample(sampler s, position coordinate) const;                  \
    uint get_width(uint level = 0) const;                                    \
    uint get_height(uint level = 0) const;                                   \
    uint get_depth(uint level = 0) const;                                    \
  };
MSL_TEXTURE(texture1d, uint, float)
MSL_TEXTURE(texture2d, uint2, float2)
MSL_TEXTURE(texture3d, uint3, float3)
#undef MSL_TEXTURE
}  // namespace metal
