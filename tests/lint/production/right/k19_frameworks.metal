#include <SwiftUI/SwiftUI_Metal.h>
#include <metal_stdlib>

using namespace metal;

[[stitchable]] half4 faded(float2 position, SwiftUI::Layer layer) {
  return layer.sample(position) * 0.5h;
}
