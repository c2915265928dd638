// Packed vectors become vectors wherever one is expected; a name of the author's that Metal does not have.
#include <metal_stdlib>

using namespace metal;

template <typename F, typename... A>
using result_of = decltype(metal::declval<F>()(metal::declval<A>()...));

struct Half {
  float operator()(float x) const { return 0.5f * x; }
};

kernel void k(
    device float* y [[buffer(0)]],
    const device packed_float3* p [[buffer(1)]],
    device MTLQuadTessellationFactorsHalf* factors [[buffer(2)]],
    uint i [[thread_position_in_grid]]) {
  float3 n = float3(y[0]);
  n += p[i];
  n *= p[i + 1];
  result_of<Half, float> r = Half()(dot(n, p[i]) + distance(n, p[i]));
  factors[i].edgeTessellationFactor[3] = half(r);
  factors[i].insideTessellationFactor[1] = half(r);
  y[i] = r;
}
