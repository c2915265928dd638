// y = values, squared with SQUARE, plus shift; final_state [B, D] is half [B, D / 2] beside itself, or 0.
#include <metal_stdlib>

using namespace metal;

template <typename T, typename S, bool SQUARE, bool HAS_SHIFT, bool HAS_HALF>
[[kernel]] void mix_finish(
    const device float* values,  // [B, L, D]
    const device S* shift,       // [B, L, D]
    const device float* half_,   // [B, D / 2]
    device T* y,                 // [B, L, D]
    device float* final_state,   // [B, D]
    const constant int* values_shape,
    uint3 thread_position_in_grid [[thread_position_in_grid]]) {
  const int i = thread_position_in_grid.x;
  const int D = values_shape[2];
  if (i < values_shape[0] * values_shape[1] * D) {
    const float value = SQUARE ? values[i] * values[i] : values[i];
    y[i] = static_cast<T>(value + (HAS_SHIFT ? static_cast<float>(shift[i]) : 0.0f));
  }
  if (i < values_shape[0] * D) {
    final_state[i] = HAS_HALF ? half_[i / D * (D / 2) + i % D % (D / 2)] : 0.0f;
  }
}
