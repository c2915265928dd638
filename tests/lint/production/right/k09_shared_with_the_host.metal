// Declarations that the host's compiler reads too.
#ifndef __METAL_VERSION__
#include <vector>
#include "host_only.h"
struct Buffers {
  virtual ~Buffers() = default;
  std::vector<double> values;
};
#else
#include <metal_stdlib>
using namespace metal;
#endif

#if defined(__METAL__)
using brain = bfloat;

template <typename T, int bits, int group>
[[kernel]] void packed(device T* y [[buffer(0)]], uint i [[thread_position_in_grid]]) {
  constexpr int per_word = 32 / bits / group;
  y[i] = per_word > 0 ? T(i / per_word) : T(float(brain(half(y[i]))));
}
template [[host_name("packed_8")]] [[kernel]] decltype(packed<float, 8, 8>) packed<float, 8, 8>;
#else
static double host_value = 0.0;
#endif
