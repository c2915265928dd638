// the same host name in both branches of #if.
#include <metal_stdlib>
using namespace metal;

template <typename T, int N>
[[kernel]] void go(device T* y [[buffer(0)]], uint i [[thread_position_in_grid]]) { y[i] = T(N); }
#if 1
template [[host_name("go_1")]] [[kernel]] void go<float, 1>(device float*, uint);
#else
template [[host_name("go_1")]] [[kernel]] void go<float2, 1>(device float2*, uint);
#endif
