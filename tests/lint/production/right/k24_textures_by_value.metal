// Structs of textures as parameters, arrays of samplers and of textures.
#include <metal_stdlib>

using namespace metal;

struct Images {
  texture2d<float> color [[texture(0)]];
  depth2d<float> depth [[texture(1)]];
};

struct Sampled {
  Images images;
  sampler chosen [[sampler(0)]];
};

constexpr array<sampler, 2> samplers = {sampler(address::clamp_to_zero), sampler(coord::pixel)};
constexpr static sampler smooth = sampler(filter::linear);

static float4 sum(array_ref<texture2d<float>> layers, sampler chosen) {
  float4 total = 0.0f;
  for (size_t i = 0; i < layers.size(); ++i) {
    total += layers[i].sample(chosen, float2(0.5f));
  }
  return total;
}

kernel void color(Images images, device float4* y) {
  y[0] = images.color.read(uint2(0)) + images.depth.read(uint2(0));
}

kernel void sampled(Sampled s, array<texture2d<float>, 4> layers [[texture(2)]], device float4* y) {
  float4 c = s.images.color.sample(s.chosen, float2(0.0f)) + s.images.color.sample(samplers[1], float2(0.0f));
  y[0] = c + sum(layers, smooth);
}
