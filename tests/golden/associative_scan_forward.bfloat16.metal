// header 0ef43334d17114c2
template <typename T, int OP, bool REVERSE, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_associative_scan_forward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* x [[buffer(0)]],
  const constant int* x_shape [[buffer(1)]],
  const device float* initial_state [[buffer(2)]],
  const device bool* reset [[buffer(3)]],
  device bfloat16_t* y [[buffer(4)]],
  device float* final_state [[buffer(5)]],
  device float* tile_state [[buffer(6)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 3b64d03a854314a4
}

template [[host_name("custom_kernel_associative_scan_forward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_associative_scan_forward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>) custom_kernel_associative_scan_forward__bfloat16_t_0_0_32_16_8_1_1_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, 0, 0, 32, 16, 8, 1, 1>;
