// "= delete" is no heap.
#include <metal_stdlib>
using namespace metal;

template <typename T, typename C>
inline C to_cache(T v) = delete;
template <>
inline half to_cache<float, half>(float v) { return half(v); }
[[kernel]] void store(const device float* x [[buffer(0)]], device half* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    y[i] = to_cache<float, half>(x[i]);
}
