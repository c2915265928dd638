// header fa5cfdfbf91a6112
template <typename U, typename Delta, typename TypeA, int N, int LANES, int SLICES, int STEPS, bool A_PER_STATE, bool HAS_INITIAL_STATE, bool HAS_RESET>
[[kernel]] void custom_kernel_rglru_gated_forward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float(
  const device bfloat16_t* u [[buffer(0)]],
  const constant int* u_shape [[buffer(1)]],
  const device bfloat16_t* delta [[buffer(2)]],
  const device bfloat16_t* A [[buffer(3)]],
  const device float* initial_state [[buffer(4)]],
  const device bool* reset [[buffer(5)]],
  device bfloat16_t* y [[buffer(6)]],
  device float* final_state [[buffer(7)]],
  device float* tile_state [[buffer(8)]],
  device float* tile_rest [[buffer(9)]],
  uint3 thread_position_in_threadgroup [[thread_position_in_threadgroup]],
  uint3 threadgroup_position_in_grid [[threadgroup_position_in_grid]]) {
// body 074df78fc6a63e07
}

template [[host_name("custom_kernel_rglru_gated_forward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float")]] [[kernel]] decltype(custom_kernel_rglru_gated_forward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 16, 32, 16, 8, 1, 1, 1>) custom_kernel_rglru_gated_forward__bfloat16_t_bfloat16_t_bfloat16_t_16_32_16_8_1_1_1_bfloat16_t_bfloat16_t_bfloat16_t_float_bool_bfloat16_t_float_float_float<bfloat16_t, bfloat16_t, bfloat16_t, 16, 32, 16, 8, 1, 1, 1>;
