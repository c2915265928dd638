// A tensor is bound to the index of a buffer.
#include <metal_stdlib>
#include <metal_tensor>

using namespace metal;

kernel void extent(tensor<device half, dextents<int32_t, 2>> a [[buffer(0)]], device float* y [[buffer(1)]]) {
  y[0] = float(a.get_extent(0));
}
