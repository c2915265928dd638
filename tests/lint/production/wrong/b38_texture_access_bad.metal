// A texture that is read but declared for writing alone (bad).
#include <metal_stdlib>
using namespace metal;

[[kernel]] void brighten(texture2d<float, access::write> image [[texture(0)]], uint2 at [[thread_position_in_grid]]) {
  const float4 colour = image.read(at);
  image.write(colour * 1.5f, at);
}
