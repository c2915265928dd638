// header 960bb97399ff6723
template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* cos [[buffer(2)]],
  const device bfloat16_t* sin [[buffer(3)]],
  const device bfloat16_t* b [[buffer(4)]],
  const device float* initial_state [[buffer(5)]],
  const device bool* reset [[buffer(6)]],
  device bfloat16_t* y [[buffer(7)]],
  device float* final_state [[buffer(8)]],
  device float* tile_state [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body df60dbca4202368b
}

template [[host_name("custom_kernel_rotlru_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float")]] [[kernel]] decltype(custom_kernel_rotlru_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>) custom_kernel_rotlru_forward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>;
