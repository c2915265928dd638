// What stands under the library's functions, which others' headers use.
#pragma METAL internals : enable
namespace metal {
constexpr constant metal::thread_scope thread_scope_all = static_cast<thread_scope>(3);
}
#include <metal_stdlib>
using namespace metal;

template <typename T>
struct Indexed {
  T value;
  uint at;
};

template <typename T>
struct _numeric_limits_impl<Indexed<T>> {
  static constexpr METAL_FUNC Indexed<T> lowest() { return Indexed<T>{numeric_limits<T>::lowest(), 0}; }
};

struct Rows {
  float3 rows[3];
  thread Rows& operator=(initializer_list<float3> given) thread {
    rows[0] = *given.begin();
    return *this;
  }
};

template <typename T>
constexpr constant bool fits = __is_valid_simdgroup_type<T>::value;

template <typename T, typename = enable_if_t<is_floating_point<T>::value>>
METAL_FUNC T brighter(T c) {
  return c <= T(0.5f) ? c / T(2.0f) : powr(c, T(2.5f));
}
METAL_FUNC float3 brighter(float3 c) {
  return float3(brighter(c.r), brighter(c.g), brighter(c.b));
}

template <typename T, typename Index>
[[kernel]] void by_index(
    const device T* x [[buffer(0)]],
    device float* y [[buffer(1)]],
    constant Index& first [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  Indexed<float> best = numeric_limits<Indexed<float>>::lowest();
  best.at = uint(sizeof(simdgroup_float8x8::storage_type) / sizeof(float)) + uint(transpose(float3x3(2.0f))[1].y);
  best.at += uint(vec_elements<float4>::value);
  y[i] = fits<float> ? float(x[first + i]) + best.value : brighter(float3(1.0f)).x;
  atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_all);
}
