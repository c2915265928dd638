// header 58f177d5c6571aaf
template <typename A, typename C, typename S, typename T, int LANES, int SLICES, int STEPS, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rotlru_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float(
  const device bfloat16_t* a [[buffer(0)]],
  const constant int* a_shape [[buffer(1)]],
  const device bfloat16_t* cos [[buffer(2)]],
  const device bfloat16_t* sin [[buffer(3)]],
  const device bfloat16_t* b [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  const device float* tile_state [[buffer(6)]],
  const device bfloat16_t* grad_y [[buffer(7)]],
  const device float* grad_final_state [[buffer(8)]],
  device bfloat16_t* grad_a [[buffer(9)]],
  device bfloat16_t* grad_cos [[buffer(10)]],
  device bfloat16_t* grad_sin [[buffer(11)]],
  device bfloat16_t* grad_b [[buffer(12)]],
  device float* grad_initial_state [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body a248e172b8e06d06
}

template [[host_name("custom_kernel_rotlru_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float")]] [[kernel]] decltype(custom_kernel_rotlru_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>) custom_kernel_rotlru_backward__bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_32_8_8_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_bfloat16_t_float_bfloat16_t_bfloat16_t_bfloat16_t_bfloat16_t_float<bfloat16_t, bfloat16_t, bfloat16_t, bfloat16_t, 32, 8, 8, 1, 1>;
