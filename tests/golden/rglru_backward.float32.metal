// header 12f31e6d8272ec13
template <typename A, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_backward__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float(
  const device float* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device float* b [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  const device float* tile_state [[buffer(4)]],
  const device float* grad_y [[buffer(5)]],
  const device float* grad_final_state [[buffer(6)]],
  device float* grad_a [[buffer(7)]],
  device float* grad_b [[buffer(8)]],
  device float* grad_initial_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 1441e6889f546ebd
}

template [[host_name("custom_kernel_rglru_backward__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_backward__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>) custom_kernel_rglru_backward__float_float_32_16_8_1_1_float_float_bool_float_float_float_float_float_float<float, float, 32, 16, 8, 1, 1>;
