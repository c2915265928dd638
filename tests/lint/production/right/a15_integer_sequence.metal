// metal::integer_sequence, make_integer_sequence, index_sequence.
#include <metal_stdlib>
using namespace metal;

template <typename F, int... I>
METAL_FUNC constexpr void each(F f, metal::integer_sequence<int, I...>) {
    (f(I), ...);
}
struct Add {
    thread float& s;
    void operator()(int i) const { s += float(i); }
};
[[kernel]] void go(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    float s = 0.0f;
    each(Add{s}, metal::make_integer_sequence<int, 4>{});
    y[i] = s;
}
