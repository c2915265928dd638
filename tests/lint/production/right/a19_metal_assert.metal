// assert is in Metal's <metal_assert>; release builds drop it.
#include <metal_assert>
#include <metal_stdlib>
using namespace metal;

[[kernel]] void half_of(device float* y [[buffer(0)]], constant uint& n [[buffer(1)]], uint i [[thread_position_in_grid]]) {
    assert((n & 1u) == 0);
    y[i] *= 0.5f;
}
