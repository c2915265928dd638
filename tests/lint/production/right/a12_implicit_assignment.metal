// The assignment that the compiler makes of a struct.
#include <metal_stdlib>
using namespace metal;

struct Pair {
    float4 lo;
    float4 hi;
};
[[kernel]] void swap(device Pair* p [[buffer(0)]], uint i [[thread_position_in_grid]]) {
    Pair a = p[i];
    Pair b;
    b = a;
    b.lo = a.hi;
    b.hi = a.lo;
    p[i] = b;
}
