// header 31b26024ede340fb
template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_backward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_float(
  const device bfloat16_t* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device bool* reset [[buffer(2)]],
  const device float* tile_state [[buffer(3)]],
  const device bfloat16_t* grad_y [[buffer(4)]],
  const device float* grad_final_state [[buffer(5)]],
  device bfloat16_t* grad_x [[buffer(6)]],
  device float* grad_initial_state [[buffer(7)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body d2172a7c1357763b
}

template [[host_name("custom_kernel_associative_scan_backward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_float")]] [[kernel]] decltype(custom_kernel_associative_scan_backward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_backward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>;
