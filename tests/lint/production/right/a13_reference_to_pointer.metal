// const device T*& without a space is fine for Metal.
#include <metal_stdlib>
using namespace metal;

template <typename T>
METAL_FUNC void skip(const device T*& x, const device uint32_t*& w, uint n) {
    x += n;
    w += n / 8;
}
template <typename T>
[[kernel]] void pick(const device T* x [[buffer(0)]], const device uint32_t* w [[buffer(1)]], device T* y [[buffer(2)]],
                     uint i [[thread_position_in_grid]]) {
    skip<T>(x, w, i);
    y[i] = x[0] + T(w[0]);
}
template [[host_name("pick_f")]] [[kernel]] decltype(pick<float>) pick<float>;
