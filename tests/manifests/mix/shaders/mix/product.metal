// product = scale * w * x, elementwise; w is [D] or, with ROWS, [L, D].
#include <metal_stdlib>

using namespace metal;

template <typename T, typename W, bool ROWS>
[[kernel]] void mix_product(
    const device T* x,          // [B, L, D]
    const device W* w,          // [D] or [L, D]
    const device float* scale,  // [1]
    device float* product,      // [B, L, D]
    const constant int* x_shape,
    uint3 thread_position_in_grid [[thread_position_in_grid]]) {
  const int i = thread_position_in_grid.x;
  const int row = x_shape[2] * (ROWS ? x_shape[1] : 1);
  if (i < x_shape[0] * x_shape[1] * x_shape[2]) {
    product[i] = scale[0] * static_cast<float>(w[i % row]) * static_cast<float>(x[i]);
  }
}
