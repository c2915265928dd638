// grad_x and the summands of grad_w: grad_y * dy/dproduct * scale * (w, x); grad_half adds up both copies.
#include <metal_stdlib>

using namespace metal;

template <typename T, typename W, typename S, bool ROWS, bool SQUARE, bool HAS_SHIFT, bool HAS_HALF>
[[kernel]] void mix_backward(
    const device T* x,                     // [B, L, D]
    const device W* w,                     // [D] or [L, D]
    const device float* scale,             // [1]
    const device float* product,           // [B, L, D]
    const device T* grad_y,                // [B, L, D]
    const device float* grad_final_state,  // [B, D]
    device T* grad_x,                      // [B, L, D]
    device float* grad_w_each,             // [B, L, D]
    device float* grad_half,               // [B, D / 2]
    device S* grad_shift,                  // [B, L, D]
    const constant int* x_shape,
    uint3 thread_position_in_grid [[thread_position_in_grid]]) {
  const int i = thread_position_in_grid.x;
  const int D = x_shape[2];
  const int row = D * (ROWS ? x_shape[1] : 1);
  if (i < x_shape[0] * x_shape[1] * D) {
    const float g = static_cast<float>(grad_y[i]);
    const float each = (SQUARE ? 2.0f * product[i] : 1.0f) * g * scale[0];
    grad_x[i] = static_cast<T>(each * static_cast<float>(w[i % row]));
    grad_w_each[i] = each * static_cast<float>(x[i]);
    if (HAS_SHIFT) {
      grad_shift[i] = static_cast<S>(g);
    }
  }
  if (HAS_HALF && i < x_shape[0] * D / 2) {
    const int first = i / (D / 2) * D + i % (D / 2);
    grad_half[i] = grad_final_state[first] + grad_final_state[first + D / 2];
  }
}
