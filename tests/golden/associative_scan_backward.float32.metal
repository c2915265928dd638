// header 31b26024ede340fb
template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_backward__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float(
  const device float* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device bool* reset [[buffer(2)]],
  const device float* tile_state [[buffer(3)]],
  const device float* grad_y [[buffer(4)]],
  const device float* grad_final_state [[buffer(5)]],
  device float* grad_x [[buffer(6)]],
  device float* grad_initial_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body d2172a7c1357763b
}

template [[host_name("custom_kernel_associative_scan_backward__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float")]] [[kernel]] decltype(custom_kernel_associative_scan_backward__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_backward__float_0_0_32_16_8_1_1_float_bool_float_float_float_float_float<float, 0, 0, 32, 16, 8, 1, 1>;
