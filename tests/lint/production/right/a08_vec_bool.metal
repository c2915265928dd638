// vectors of bool as a template argument.
#include <metal_stdlib>
using namespace metal;

template <typename T>
struct piece {
    typedef vec<T, 2> type;
};
[[kernel]] void mask(const device bool* m [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    piece<bool>::type f;
    f[0] = m[2 * i];
    f[1] = m[2 * i + 1];
    y[i] = (f[0] ? 1.0f : 0.0f) + (f[1] ? 2.0f : 0.0f);
}
