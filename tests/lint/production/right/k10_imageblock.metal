// Imageblocks are left to Apple's compiler, and their parameter needs no attribute.
#include <metal_stdlib>
using namespace metal;

struct Pixel {
  half4 colour [[color(0)]];
};

kernel void cleared(
    imageblock<Pixel, imageblock_layout_explicit> pixels, ushort2 at [[thread_position_in_threadgroup]]) {
  threadgroup_imageblock Pixel* pixel = pixels.data(at);
  pixel->colour = half4(0.0h);
}
