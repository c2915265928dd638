// void_t and other traits defined in namespace metal by the author.
#include <metal_stdlib>
using namespace metal;

namespace metal {
template <typename... Ts>
struct make_void {
    typedef void type;
};
template <typename... Ts>
using void_t = typename make_void<Ts...>::type;
}  // namespace metal
[[kernel]] void go(device float* y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = 1.0f; }
