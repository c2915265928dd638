// an alias of a function pointer type as template parameter.
#include <metal_stdlib>
using namespace metal;

template <typename T>
using step = void (*)(thread T*, int);
template <typename T>
METAL_FUNC void negate(thread T* v, int n) {
    for (int k = 0; k < n; ++k) v[k] = -v[k];
}
template <typename T, step<T> f>
[[kernel]] void go(device T* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    T v[2] = {y[2 * i], y[2 * i + 1]};
    f(v, 2);
    y[2 * i] = v[0];
    y[2 * i + 1] = v[1];
}
template [[host_name("go_f")]] [[kernel]] decltype(go<float, negate<float>>) go<float, negate<float>>;
