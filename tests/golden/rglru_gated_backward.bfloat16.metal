// header e6caca4d740989d7
template <typename U, typename Delta, typename TypeA, int N, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_gated_backward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_floatc_bfloat16_t_float_bfloat16_t_bfloat16_t_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* A [[buffer(3)]],
  const device bool* reset [[buffer(4)]],
  const device float* tile_state [[buffer(5)]],
  const constant float* sqrt_grad_limit [[buffer(6)]],
  const device bfloat16_t* grad_y [[buffer(7)]],
  const device float* grad_final_state [[buffer(8)]],
  device bfloat16_t* grad_u [[buffer(9)]],
  device bfloat16_t* grad_delta [[buffer(10)]],
  device float* grad_initial_state [[buffer(11)]],
  device float* A_parts [[buffer(12)]],
  device float* carry [[buffer(13)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 5c665d06b16da3bd
}

template [[host_name("custom_kernel_rglru_gated_backward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_floatc_bfloat16_t_float_bfloat16_t_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_gated_backward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_floatc_bfloat16_t_float_bfloat16_t_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 16, 32, 16, 8, 1, 1, 1>) custom_kernel_rglru_gated_backward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_bool_float_floatc_bfloat16_t_float_bfloat16_t_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 16, 32, 16, 8, 1, 1, 1>;
