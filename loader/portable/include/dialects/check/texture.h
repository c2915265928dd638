// <metal_texture>: textures and samplers as a kernel, and as a graphics function, uses them.
#pragma once

#include "sync.h"
#include "vector.h"

namespace metal {
enum class access { sample, read, write, read_write };
enum class coord { normalized, pixel };
enum class filter { nearest, linear, bicubic };
enum class mag_filter { nearest, linear, bicubic };
enum class min_filter { nearest, linear, bicubic };
enum class mip_filter { none, nearest, linear };
enum class address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat, clamp_to_border };
enum class s_address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat, clamp_to_border };
enum class t_address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat, clamp_to_border };
enum class r_address { clamp_to_zero, clamp_to_edge, repeat, mirrored_repeat, clamp_to_border };
enum class border_color { transparent_black, opaque_black, opaque_white };
enum class compare_func { none, less, less_equal, greater, greater_equal, equal, not_equal, always, never };
enum class reduction { weighted_average, minimum, maximum };
enum class component { x, y, z, w };
enum memory_coherence { memory_coherence_threadgroup, memory_coherence_device };
struct max_anisotropy {
  constexpr explicit max_anisotropy(int) {}
};
struct lod_clamp {
  constexpr lod_clamp(float, float) {}
};
struct sampler {
  sampler() = default;
  sampler(const sampler&) = default;
  sampler(const constant sampler&);
  template <typename... A>
  constexpr sampler(A...) {}
  template <typename... A>
  constexpr sampler(A...) constant {}
};
/// The elements of an array, of any number.
template <typename T>
struct array_ref {
  template <size_t N>
  array_ref(const thread array<T, N>&);
  template <size_t N>
  array_ref(const constant array<T, N>&);
  template <size_t N>
  array_ref(const device array<T, N>&);
  size_t size() const;
  bool empty() const;
  const thread T& operator[](size_t) const;
};
struct level {
  explicit level(float);
};
struct bias {
  explicit bias(float);
};
struct min_lod_clamp {
  explicit min_lod_clamp(float);
};
template <int N>
struct gradient {
  gradient(vec<float, N> x, vec<float, N> y);
};
typedef gradient<2> gradient2d;
typedef gradient<3> gradient3d;
typedef gradient<3> gradientcube;

// What every texture has, in constant memory too: an argument buffer holds textures.
#define MSL_QUERIES(space)                              \
  uint get_width(uint level = 0) const space;           \
  uint get_height(uint level = 0) const space;          \
  uint get_depth(uint level = 0) const space;           \
  uint get_array_size() const space;                    \
  uint get_num_mip_levels() const space;                \
  uint get_num_samples() const space;                   \
  float calculate_clamped_lod(sampler, float2) const space;   \
  float calculate_unclamped_lod(sampler, float2) const space; \
  void fence() const space;
// Of textures with this access alone.
#define MSL_WITH(condition) access B = A, typename = enable_if_t<(condition)>
#define MSL_READS(space, color)                                                           \
  template <typename P, typename... O, MSL_WITH(B != access::write)>                      \
  color read(P, O...) const space;                                                        \
  template <typename P, typename... O, MSL_WITH(B == access::sample)>                     \
  color sample(sampler, P, O...) const space;                                             \
  template <typename... O>                                                                \
  vec<T, 4> gather(sampler, O...) const space;                                            \
  template <typename... O>                                                                \
  T sample_compare(sampler, O...) const space;                                            \
  template <typename... O>                                                                \
  vec<T, 4> gather_compare(sampler, O...) const space;                                    \
  template <typename... O, MSL_WITH(B == access::write || B == access::read_write)>       \
  void write(color, O...) const space;
#define MSL_ATOMIC(space, name)  \
  template <typename P, typename... O> \
  vec<T, 4> atomic_##name(P, O...) const space;
#define MSL_ATOMICS(space)                                                                                     \
  MSL_ATOMIC(space, load) MSL_ATOMIC(space, store) MSL_ATOMIC(space, exchange) MSL_ATOMIC(space, fetch_add)    \
  MSL_ATOMIC(space, fetch_sub) MSL_ATOMIC(space, fetch_and) MSL_ATOMIC(space, fetch_or)                        \
  MSL_ATOMIC(space, fetch_xor) MSL_ATOMIC(space, fetch_min) MSL_ATOMIC(space, fetch_max)                       \
  MSL_ATOMIC(space, min) MSL_ATOMIC(space, max)                                                         \
  template <typename P, typename... O>                                                                        \
  bool atomic_compare_exchange_weak(P, O...) const space;
#define MSL_TEXTURE(name, color)                                                                     \
  template <typename T, access A = access::sample, memory_coherence C = memory_coherence_threadgroup> \
  struct name {                                                                                      \
    typedef vec<T, 4> four;                                                                          \
    MSL_QUERIES()                                                                                    \
    MSL_QUERIES(constant)                                                                            \
    MSL_READS(, color)                                                                               \
    MSL_READS(constant, color)                                                                       \
    MSL_ATOMICS()                                                                                    \
    MSL_ATOMICS(constant)                                                                            \
  };                                                                                                 \
  template <typename T, access A, memory_coherence C>                                                \
  bool is_null_texture(name<T, A, C>);
MSL_TEXTURE(texture1d, four)
MSL_TEXTURE(texture1d_array, four)
MSL_TEXTURE(texture2d, four)
MSL_TEXTURE(texture2d_array, four)
MSL_TEXTURE(texture2d_ms, four)
MSL_TEXTURE(texture2d_ms_array, four)
MSL_TEXTURE(texture3d, four)
MSL_TEXTURE(texturecube, four)
MSL_TEXTURE(texturecube_array, four)
MSL_TEXTURE(texture_buffer, four)
MSL_TEXTURE(depth2d, T)
MSL_TEXTURE(depth2d_array, T)
MSL_TEXTURE(depth2d_ms, T)
MSL_TEXTURE(depth2d_ms_array, T)
MSL_TEXTURE(depthcube, T)
MSL_TEXTURE(depthcube_array, T)
#undef MSL_TEXTURE
#undef MSL_ATOMICS
#undef MSL_ATOMIC
#undef MSL_READS
#undef MSL_WITH
#undef MSL_QUERIES

template <typename T>
T dfdx(T x);
template <typename T>
T dfdy(T x);
template <typename T>
T fwidth(T x);
void discard_fragment();
}  // namespace metal
