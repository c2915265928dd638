// Four faults: a variable outside of functions, recursion, a static variable, goto.
#include <metal_stdlib>
using namespace metal;

float g = 2.0f;
int f(int n) { return n < 2 ? 1 : n * f(n - 1); }
[[kernel]] void go(const device float* x [[buffer(0)]], device float* y [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    static float s = 1.0f;
    if (x[i] > 2.0f) goto end;
    y[i] = float(f(int(i) % 3)) + s + g;
end:
    y[i] = 2.0f;
}
