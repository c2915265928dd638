// What a sparse texture gives, with whether it was there.
#include <metal_stdlib>

using namespace metal;

kernel void resident(texture2d<float> t [[texture(0)]], sampler s [[sampler(0)]], device float4* y) {
  sparse_color<float4> c = t.sparse_sample(s, float2(0.0f));
  if (c.resident()) {
    y[0] = c.value();
  }
}
